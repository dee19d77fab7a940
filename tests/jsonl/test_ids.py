"""Requests of a tile are told by their custom ids."""

import json
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from litebatch_asgi.jsonl import LineIds, id_digest

from .strategies import files, sliced


def line_ids(*blocks: bytes, max_lines: int = 100) -> Mapping[bytes, int]:
    ids = LineIds(max_lines=max_lines)
    for block in blocks:
        ids.feed(block)
    return ids.finish()


@settings(max_examples=50)
@given(content=files(faults=False), data=st.data())
def test_requests_have_their_index_by_their_digest(content: bytes, data: st.DataObject) -> None:
    expected = [json.loads(line)["custom_id"] for line in content.split(b"\n") if line.strip()]
    found = list(line_ids(*data.draw(sliced(content))).items())
    assert found == [(id_digest(each.encode()), index) for index, each in enumerate(expected)]


def test_what_is_no_tile_is_an_error() -> None:
    content = b'{"custom_id": "a"}\n\n{"custom_id": "b"}'
    assert line_ids(content, max_lines=2) == {id_digest(b"a"): 0, id_digest(b"b"): 1}
    with pytest.raises(ValueError, match="more than 1 requests"):
        line_ids(content, max_lines=1)
    with pytest.raises(ValueError, match="there twice"):
        line_ids(content, b"\n", content)
    for bad in (b"nope", b"[]", b'{"custom_id": 1}'):
        with pytest.raises(ValueError, match="not a request line"):
            line_ids(bad)
