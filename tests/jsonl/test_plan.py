"""Marks say what lies before them, and the tiles that are cut at them cover the file within the limits."""

from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from litebatch_asgi.jsonl import (
    CheckedFile,
    CheckLimits,
    LineChecker,
    Mark,
    Marks,
    MarkSteps,
    ShardLimits,
    Tile,
    TooManyTiles,
    plan_shards,
)

from .strategies import OTHER_URL, URL, files, sliced

LIMITS = CheckLimits(max_lines=1_000_000, max_line_bytes=1 << 20)
PLENTY = 1 << 40


def check(blocks: Iterable[bytes], steps: MarkSteps | None = None) -> CheckedFile:
    checker = LineChecker(
        endpoints=(URL, OTHER_URL),
        limits=LIMITS,
        model_problem=lambda _: None,
        steps=steps or MarkSteps(),
    )
    for block in blocks:
        checker.feed(block)
    return checker.finish()


def limits(
    *,
    requests: int = PLENTY,
    size: int = PLENTY,
    tokens: int | None = None,
    parallel: int = 1,
    fewest: int = 1,
) -> ShardLimits:
    return ShardLimits(
        max_requests=requests, max_bytes=size, max_tokens=tokens, parallel=parallel, min_requests=fewest
    )


steps = st.builds(
    MarkSteps, requests=st.integers(1, 4), bytes=st.integers(1, 400), tokens=st.none() | st.integers(1, 100)
)


@settings(max_examples=80)
@given(content=files(faults=False), steps=steps, data=st.data())
def test_a_mark_says_what_the_check_of_all_before_it_says(
    content: bytes, steps: MarkSteps, data: st.DataObject
) -> None:
    whole = check(data.draw(sliced(content)), steps)
    assert whole.marks[0] == Mark(0, 0, 0, 0, 0)
    for before, mark in pairwise(whole.marks):
        part = check([content[: mark.offset]])
        assert mark[1:] == (part.bytes, part.lines, part.id_sum, part.tokens)
        lines = content[: mark.offset].split(b"\n")
        assert mark.line == len(lines) - (mark.offset < len(content) or not lines[-1])
        assert mark.requests > before.requests
        assert content[mark.offset - 1 : mark.offset] == b"\n" or mark.offset == len(content)
    assert whole.marks[-1].offset == len(content)


@settings(max_examples=80)
@given(content=files(faults=False), steps=steps)
def test_a_step_is_passed_by_no_more_than_a_request(content: bytes, steps: MarkSteps) -> None:
    marks = check([content], steps).marks
    for before, mark in pairwise(marks[:-1]):
        lines = content[before.offset : mark.offset].rstrip().splitlines(keepends=True)
        size = len(b"".join(lines[:-1]).rstrip())
        assert mark.requests - before.requests <= steps.requests
        assert size < steps.bytes
        assert steps.tokens is None or size < 4 * steps.tokens


@settings(max_examples=80)
@given(content=files(faults=False), steps=steps, data=st.data())
def test_a_run_begins_with_a_request(content: bytes, steps: MarkSteps, data: st.DataObject) -> None:
    """Blank lines go with what is before them: providers take them anywhere but at the beginning."""
    for mark in check(data.draw(sliced(content)), steps).marks[1:-1]:
        assert content[mark.offset :].split(b"\n")[0].strip()


def request(number: int, content: str) -> bytes:
    head = f'{{"custom_id": "{number}", "method": "POST", "url": "{URL}", "body": {{"model": "m"'
    return f'{head}, "messages": [{{"role": "user", "content": {content}}}]}}}}\n'.encode()


def test_requests_that_name_much_stand_alone() -> None:
    image = '[{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]'
    content = b"".join(request(number, image if number % 10 == 9 else '""') for number in range(40))
    marks = check([content], MarkSteps(tokens=30_000)).marks
    assert [mark.requests for mark in marks] == [0, 10, 20, 30, 40]
    tiles = plan_shards(marks, limits(tokens=80_000))
    assert [tile.lines for tile in tiles] == [20, 20]


def test_marks_take_little_room() -> None:
    content = b"".join(request(number, '""') for number in range(5000))
    marks = check([content]).marks
    assert [mark.requests for mark in marks] == list(range(0, 5001, 500))
    assert [mark.line for mark in marks] == [mark.requests for mark in marks]
    assert marks == Marks(list(marks)) != marks[:-1]


@st.composite
def marked(draw: st.DrawFn) -> Marks:
    """The marks of a file that was never written."""
    runs = draw(st.lists(st.tuples(*(st.integers(1, 30),) * 3, st.integers(0, 2**128 - 1)), min_size=1))
    marks = Marks([Mark(0, 0, 0, 0, 0)])
    for requests, size, tokens, id_sum in runs:
        last = marks[-1]
        marks.append(
            Mark(
                last.line + requests + size % 2,
                last.offset + requests * size,
                last.requests + requests,
                (last.id_sum + id_sum) % 2**128,
                last.tokens + requests * tokens,
            )
        )
    return marks


shard_limits = st.builds(
    ShardLimits,
    max_requests=st.integers(1, 300),
    max_bytes=st.integers(1, 5000),
    max_tokens=st.none() | st.integers(1, 5000),
    parallel=st.integers(1, 6),
    min_requests=st.integers(1, 60),
    added_bytes_per_request=st.integers(-5, 5),
)


def fits(tile: Tile, limits: ShardLimits) -> bool:
    """Whether the tile is within each limit, written out."""
    sent = tile.bytes + max(limits.added_bytes_per_request, 0) * tile.lines
    most = limits.max_tokens if limits.max_tokens is not None else tile.tokens
    return tile.lines <= limits.max_requests and sent <= limits.max_bytes and tile.tokens <= most


@given(marks=marked(), limits=shard_limits)
def test_tiles_cover_the_file_within_the_limits(marks: Marks, limits: ShardLimits) -> None:
    tiles = plan_shards(marks, limits)
    places = {mark.offset: mark for mark in marks}
    offset = 0
    for tile in tiles:
        start, end = places[tile.start], places[tile.start + tile.bytes]
        assert (tile.start, tile.first_line) == (offset, start.line)
        assert (tile.lines, tile.id_count, tile.tokens) == (
            end.requests - start.requests,
            tile.lines,
            end.tokens - start.tokens,
        )
        runs = sum(start.offset < mark.offset <= end.offset for mark in marks)
        assert fits(tile, limits) or runs == 1
        held = limits.hold(requests=tile.lines, bytes=tile.bytes, tokens=tile.tokens)
        assert held is fits(tile, limits)
        offset = end.offset
    assert offset == marks[-1].offset
    assert sum(tile.id_sum for tile in tiles) % 2**128 == marks[-1].id_sum


@given(marks=marked(), limits=shard_limits)
def test_no_fewer_tiles_would_do(marks: Marks, limits: ShardLimits) -> None:
    fewest = 0
    start, runs = marks[0], 0
    for before, mark in pairwise(marks):
        if runs and not fits(Tile.between(start, mark), limits):
            fewest, start, runs = fewest + 1, before, 0
        runs += 1
    tiles = plan_shards(marks, limits)
    assert len(tiles) >= fewest + 1
    if limits.parallel == 1:
        assert len(tiles) == fewest + 1


@given(marks=marked(), parallel=st.integers(1, 6), fewest=st.integers(1, 100))
def test_parallel_tiles_are_never_too_small(marks: Marks, parallel: int, fewest: int) -> None:
    tiles = plan_shards(marks, limits(parallel=parallel, fewest=fewest))
    assert len(tiles) <= parallel
    assert len(tiles) == 1 or all(tile.lines >= fewest for tile in tiles)


def test_tiles_are_of_like_size() -> None:
    marks = Marks([Mark(each, each * 1000, each, 0, each * 250) for each in range(0, 120_001, 500)])
    asked = (
        limits(requests=100_000),
        limits(requests=50_000),
        limits(size=100_000_000),
        limits(tokens=20_000_000),
        limits(parallel=8, fewest=1000),
        limits(parallel=8, fewest=50_000),
    )
    assert [[tile.lines for tile in plan_shards(marks, each)] for each in asked] == [
        [60_000] * 2,
        [40_000] * 3,
        [60_000] * 2,
        [60_000] * 2,
        [15_000] * 8,
        [60_000] * 2,
    ]


def test_what_is_sent_counts() -> None:
    marks = Marks([Mark(each, each * 100, each, 0, 0) for each in range(0, 1001, 10)])
    wide = ShardLimits(max_requests=1000, max_bytes=100_000)
    longer = ShardLimits(max_requests=1000, max_bytes=100_000, added_bytes_per_request=25)
    assert [len(plan_shards(marks, each)) for each in (wide, longer)] == [1, 2]


@given(requests=st.integers(1, 10**6), size=st.integers(1, 10**9), tokens=st.none() | st.integers(1, 10**9))
def test_steps_are_small_against_the_limits(requests: int, size: int, tokens: int | None) -> None:
    found = limits(requests=requests, size=size, tokens=tokens).steps
    assert 1 <= found.requests <= max(requests // 16, 1)
    assert 1 <= found.bytes <= max(size // 16, 1)
    assert (found.tokens is None) == (tokens is None)


@given(marks=marked(), limits=shard_limits, most=st.integers(1, 40))
def test_no_more_tiles_than_may_be(marks: Marks, limits: ShardLimits, most: int) -> None:
    fewest = len(plan_shards(marks, replace(limits, parallel=1)))
    if fewest > most:
        with pytest.raises(TooManyTiles):
            plan_shards(marks, limits, most=most)
    else:
        tiles = plan_shards(marks, limits, most=most)
        assert len(tiles) <= most
        assert sum(tile.bytes for tile in tiles) == marks[-1].offset
