"""Which custom ids were there before, in little memory."""

import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from litebatch_asgi.jsonl import digest_set, id_digest
from litebatch_asgi.jsonl.digest_set import DigestSet


@settings(max_examples=60)
@given(few=st.integers(1, 6), each=st.integers(1, 6), added=st.lists(st.integers(0, 30), max_size=60))
def test_a_digest_is_new_once(few: int, each: int, added: list[int]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(digest_set, "FEW", few)
        patch.setattr(digest_set, "_SEEN", 15)  # most look as if they might be there
        patch.setattr(digest_set, "_BUCKET", 1)
        patch.setattr(digest_set, "_BUCKET_BYTES", 16 * each)
        digests, seen = DigestSet(), set[int]()
        for number in added:
            assert digests.add(id_digest(b"%d" % number)) == (number not in seen)
            seen.add(number)
            assert len(digests) == len(seen)


def test_what_only_lies_across_two_digests_is_new(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digest_set, "FEW", 1)
    monkeypatch.setattr(digest_set, "_SEEN", 0)
    monkeypatch.setattr(digest_set, "_BUCKET", 0)
    digests = DigestSet()
    one, two = bytes(range(16)), bytes(range(16, 32))
    assert digests.add(one)
    assert digests.add(two)
    assert digests.add(one[8:] + two[:8])
    assert not digests.add(two)
    assert not digests.add(one[8:] + two[:8])


@pytest.mark.long
def test_half_a_million_digests_take_little_memory() -> None:
    tracemalloc.start()
    try:
        digests = DigestSet()
        for number in range(500_000):
            assert digests.add(id_digest(b"%d" % number))
        assert tracemalloc.get_traced_memory()[1] < 20 << 20
    finally:
        tracemalloc.stop()
    assert not any(digests.add(id_digest(b"%d" % number)) for number in range(0, 500_000, 5000))
    assert len(digests) == 500_000
