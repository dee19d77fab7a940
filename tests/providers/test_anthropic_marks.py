"""Marks in custom ids: put in as lines go out, taken out as rows come back, wherever blocks end."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from litebatch_asgi.dialects import surrogate
from litebatch_asgi.errors import ContentRefused
from litebatch_asgi.models.provider import TAG_INSTALLATION, TAG_JOB
from litebatch_asgi.providers.anthropic.bodies import body_bytes
from litebatch_asgi.providers.anthropic.marks import (
    MARK_BYTES,
    LineMarker,
    RowUnmarker,
    mark_in,
    mark_of,
)
from tests.effort import effort

from .anthropic import line, tag

MARK = mark_of(tag())
OTHER = mark_of(tag("another"))
NUMBERED = st.tuples(st.integers(1, 36**9), st.text(st.characters(exclude_categories=["Cs"]), max_size=60))


def cut(content: bytes, ends: list[int]) -> list[bytes]:
    """The content in blocks that end at these places."""
    places = sorted({0, len(content), *(end % (len(content) + 1) for end in ends)})
    return [content[start:end] for start, end in pairwise(places)]


def marked(content: bytes, ends: list[int]) -> tuple[bytes, LineMarker]:
    marker = LineMarker(MARK)
    return b"".join(marker.feed(block) for block in cut(content, ends)), marker


def unmarked(content: bytes, ends: list[int]) -> bytes:
    unmarker = RowUnmarker()
    return b"".join(map(unmarker.feed, cut(content, ends))) + unmarker.finish()


def row(custom_id: str, text: str = "x") -> bytes:
    return json.dumps({"custom_id": custom_id, "result": {"type": "errored", "text": text}}).encode()


@given(st.lists(NUMBERED, min_size=1, max_size=6), st.lists(st.integers(0, 2000)))
def test_lines_become_requests_with_marked_ids(lines: list[tuple[int, str]], ends: list[int]) -> None:
    written = [line(number, text) for number, text in lines]
    inside, marker = marked(b"".join(written), ends)
    requests = json.loads(b"[" + inside + b"]")
    expected = [json.loads(each) for each in written]
    assert [each["params"] for each in requests] == [each["params"] for each in expected]
    assert [each["custom_id"] for each in requests] == [
        f"{each['custom_id']}_{MARK.decode()}" for each in expected
    ]
    assert (marker.lines, marker.is_complete) == (len(lines), True)
    size = sum(map(len, written))
    assert len(b'{"requests":[' + inside + b"]}") == body_bytes(size, len(lines))


@given(st.lists(st.integers(0, 100)))
def test_content_that_stops_within_a_line_is_not_complete(ends: list[int]) -> None:
    for content in (line(1) + line(2)[:-1], line(1) + line(2)[:9]):
        assert not marked(content, ends)[1].is_complete


@pytest.mark.parametrize("wrong", [b"x" * 100, b'{"params":{},"custom_id":"r1"}' + b" " * 99, b"\n" * 100])
def test_lines_that_cannot_be_marked_are_refused(wrong: bytes) -> None:
    with pytest.raises(ContentRefused, match="line 2"):
        marked(line(1) + wrong, [])


@given(
    st.lists(NUMBERED, max_size=6),
    st.lists(st.integers(0, 2000)),
    st.booleans(),
)
def test_rows_come_back_as_if_there_were_no_marks(
    rows: list[tuple[int, str]], ends: list[int], ends_in_newline: bool
) -> None:
    def file(mark: str) -> bytes:
        content = b"\n".join(row(surrogate(number) + mark, text) for number, text in rows)
        return content + b"\n" if ends_in_newline and rows else content

    assert unmarked(file(f"_{MARK.decode()}"), ends) == file("")


@given(st.lists(st.integers(0, 500)))
def test_rows_of_others_stay_as_they_are(ends: list[int]) -> None:
    others = [
        row(f"r2_{OTHER.decode()}"),
        row("r3"),
        row("r4_short"),
        row(f"r5_{MARK.decode()}0"),
        row(f'r"6_{MARK.decode()}'),
        b"",
        b"no json",
        b"[]",
    ]
    ours = row(f"r1_{MARK.decode()}")
    assert unmarked(b"\n".join([ours, *others]), ends) == b"\n".join([row("r1"), *others])


def test_an_id_is_found_wherever_it_stands_in_its_row() -> None:
    result = '"result":{"custom_id":"r9_0123456789abcdef","type":"canceled"}'
    for before, after in (
        (f'{{{result},"custom_id":"r1', '"}'),
        ('  { "custom_id" : "r1', f'" , {result}}}'),
    ):
        marked_row = f"{before}_{MARK.decode()}{after}".encode()
        assert unmarked(marked_row, []) == f"{before}{after}".encode()
        assert mark_in(marked_row) == MARK


def test_a_long_row_whose_id_comes_last_is_little_work() -> None:
    """Rows are read on the event loop."""
    content = ",".join(['{"text":"x"}'] * 5000)
    plain = f'{{"result":{{"content":[{content}]}},"custom_id":"r1"}}'
    long = plain.replace('"r1"', f'"r1_{MARK.decode()}"').encode()
    assert unmarked(long, []) == plain.encode()
    assert effort(lambda: unmarked(long, [])) < 500


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"custom_id":7}', b'{"custom_id":"r1"}', b"\xff"])
def test_rows_without_a_mark_have_none(text: bytes) -> None:
    assert mark_in(text) is None


def test_a_mark_stands_for_job_and_installation() -> None:
    marks = {
        mark_of({TAG_INSTALLATION: installation, TAG_JOB: job, "other": other})
        for installation, job, other in [
            ("i", "j", "a"),
            ("i", "j", "b"),
            ("i", "k", "a"),
            ("another", "j", "a"),
            ("ij", "", "a"),
            ("", "ij", "a"),
        ]
    }
    assert len(marks) == 5
    assert all(len(mark) + 1 == MARK_BYTES and int(mark, 16) >= 0 for mark in marks)
