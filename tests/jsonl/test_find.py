"""Finding the lines of a few requests."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Sequence
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from litebatch_asgi.jsonl import FirstLines, LineFinder

IDS = st.lists(st.text(max_size=6), unique=True, min_size=1, max_size=12)
MOST = 1 << 20


def found_in(content: bytes, wanted: Sequence[str], size: int, most: int = MOST) -> LineFinder:
    """A finder after it was fed blocks of this size, no more than it wanted."""
    finder = LineFinder(wanted, max_line_bytes=most)
    for start in range(0, len(content), size):
        if finder.feed(content[start : start + size]):
            return finder
    finder.finish()
    return finder


@given(IDS, st.integers(1, 200), st.integers(), st.booleans(), st.booleans())
def test_the_first_line_of_each_is_found_however_it_is_spelled(
    ids: Sequence[str], size: int, seed: int, ascii_only: bool, ends: bool
) -> None:
    random = Random(seed)
    rows = [{"id": at, "body": {"custom_id": "x"}, "custom_id": each} for at, each in enumerate(ids)]
    lines = [json.dumps(row, ensure_ascii=ascii_only).encode() for row in rows]
    odd = [b"no row", b"", b'{"custom_id": 7}', b"[]", b'{"custom_id":"' + b"\xff" + b'"}']
    others = [*lines, *odd]
    random.shuffle(others)
    content = b"\r\n".join([*lines, *others]) + (b"\n" if ends else b"")
    wanted = random.sample(ids, random.randint(1, len(ids)))
    finder = found_in(content, [*wanted, "not there"], size)
    assert finder.found == {each: line for each, line in zip(ids, lines, strict=True) if each in wanted}
    assert finder.passed_over == 0


@given(IDS, st.integers(1, 50))
def test_nothing_more_is_needed_once_all_are_found(ids: Sequence[str], size: int) -> None:
    content = b"".join(json.dumps({"custom_id": each}).encode() + b"\n" for each in ids)
    finder, fed = LineFinder(ids, max_line_bytes=MOST), 0
    while not finder.feed(content[fed : fed + size]):
        fed += size
        assert fed < len(content)
    assert set(finder.found) == set(ids)


def test_a_long_line_that_is_not_quite_json_is_not_held() -> None:
    line = json.dumps({"custom_id": "a", "score": float("nan"), "x": 100_000 * [[]]}).encode()
    finder = LineFinder(["a"], max_line_bytes=4 * MOST)
    tracemalloc.start()
    finder.feed(line + b"\n")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * len(line)


def test_lines_that_are_too_long_are_passed_over_and_counted() -> None:
    long = json.dumps({"custom_id": "a", "body": 100 * "x"}).encode()
    content = long + b"\n" + json.dumps({"custom_id": "b"}).encode()
    for size in (1, 7, 1000):
        finder = found_in(content, ["a", "b"], size, most=50)
        assert (set(finder.found), finder.passed_over) == ({"b"}, 1)


def test_a_line_that_is_nested_as_deeply_as_it_may_be_is_found() -> None:
    deep = b'{"body": ' + 5_000 * b"[" + 5_000 * b"]" + b', "custom_id": "d\\u00e9"}'
    hopeless = (
        b'{"body": ' + 5_000 * b"[" + b"\n" + b'{"custom_id": 3, "x": ' + 5_000 * b"[" + 5_000 * b"]" + b"}\n"
    )
    assert found_in(hopeless + deep, ["dé"], 999).found == {"dé": deep}


@given(
    st.lists(st.sampled_from([b"a", b"{}", b"", b" \t", b"\xff", 9 * b"x"])),
    st.integers(1, 20),
    st.integers(1, 6),
    st.sampled_from([b"\n", b"\r\n"]),
    st.booleans(),
)
def test_the_first_lines_are_kept_but_for_blank_and_long_ones(
    lines: list[bytes], size: int, count: int, end: bytes, ends: bool
) -> None:
    content = end.join(lines) + (end if ends else b"")
    first = FirstLines(count, max_line_bytes=7)
    starts = range(0, len(content), size)
    is_done = any(first.feed(content[start : start + size]) for start in starts) or first.finish()
    kept = [None if len(line) > 7 else line for line in lines if line.strip()]
    assert first.lines == kept[:count]
    assert is_done == (len(kept) >= count)
