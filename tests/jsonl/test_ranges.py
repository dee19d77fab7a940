"""Ranges have each wanted request once, within their limits, and give it back as it stands in the file."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from litebatch_asgi.jsonl import LineSet, RangeCutter, live_lines

from .strategies import sliced

LINES = st.lists(
    st.tuples(
        st.text(min_size=1, max_size=12),
        st.integers(0, 40),
        st.sampled_from([b"\n", b"\r\n", b"\n\n", b"\n \r\n"]),
        st.booleans(),
    ),
    max_size=40,
)


def tile_of(lines: list[tuple[str, int, bytes, bool]]) -> tuple[bytes, LineSet, list[str]]:
    """The bytes of a tile, which of its requests are wanted, and all their custom ids."""
    ids = [f"{number}-{name}" for number, (name, *_) in enumerate(lines)]
    requests = [
        {"custom_id": ids[number], "method": "POST", "url": "/v1/x", "body": {"model": "m", "p": "y" * size}}
        for number, (_, size, *_) in enumerate(lines)
    ]
    endings = [ending for _, _, ending, _ in lines]
    text = b"".join(
        json.dumps(request).encode() + ending for request, ending in zip(requests, endings, strict=True)
    )
    return text, LineSet.of(len(lines), [n for n, (*_, is_wanted) in enumerate(lines) if is_wanted]), ids


@settings(max_examples=80)
@given(data=st.data(), lines=LINES, most_lines=st.integers(1, 5), most_bytes=st.integers(1, 400))
def test_each_wanted_request_is_in_one_range(
    data: st.DataObject, lines: list[tuple[str, int, bytes, bool]], most_lines: int, most_bytes: int
) -> None:
    text, wanted, ids = tile_of(lines)
    start = data.draw(st.integers(0, 1000))
    cutter = RangeCutter(wanted, start=start, most_lines=most_lines, most_bytes=most_bytes)
    for block in data.draw(sliced(text)):
        cutter.feed(block)
    found: list[int] = []
    end = 0
    for each in cutter.finish():
        assert each.first_line >= end
        assert 1 <= each.lines <= most_lines
        assert each.lines == 1 or each.bytes <= most_bytes
        end = each.end_line
        piece = text[each.start - start : each.start - start + each.bytes]
        requests = live_lines(piece, each.first_line, wanted, old_model="m", new_model='other"m')
        assert [each.first_line, each.end_line - 1] == [requests[0].line, requests[-1].line]
        assert len(requests) == each.lines
        found += [request.line for request in requests]
        for request in requests:
            custom_id, url, body = request.request()
            assert (custom_id, url) == (ids[request.line], "/v1/x")
            assert json.loads(body) == {"model": 'other"m', "p": "y" * lines[request.line][1]}
    assert found == list(wanted)


def test_a_tile_of_another_size_is_an_error() -> None:
    cutter = RangeCutter(LineSet.all(2), start=0)
    cutter.feed(b"{}\n")
    with pytest.raises(ValueError, match="the tile has 1 requests and not 2"):
        cutter.finish()


def test_lines_with_another_model_are_an_error() -> None:
    line = b'{"custom_id":"a","method":"POST","url":"/v1/x","body":{"model":"other"}}\n'
    with pytest.raises(ValueError, match="line 1 has not the model"):
        live_lines(line, 0, LineSet.all(1), old_model="m", new_model="n")
