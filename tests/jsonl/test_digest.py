"""A file's digest depends on its bytes alone, not on how they come."""

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from litebatch_asgi.jsonl import FileDigest

from .strategies import sliced


@given(content=st.binary(max_size=20) | st.just(b"a\n"), data=st.data())
def test_a_digest_is_of_all_bytes_in_their_order(content: bytes, data: st.DataObject) -> None:
    digest = FileDigest()
    for block in data.draw(sliced(content)):
        digest.feed(block)
    assert digest.hexdigest() == hashlib.sha256(content).hexdigest()
    assert (digest.size, digest.ends_in_newline) == (len(content), content[-1:] in (b"", b"\n"))
