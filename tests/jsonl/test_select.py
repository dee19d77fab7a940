"""Sets of requests behave as sets, and a selector takes the lines of one and counts what it took."""

import hashlib
import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from litebatch_asgi.jsonl import CheckLimits, LineChecker, LineSelector, LineSet, Selected, id_digest

from .strategies import OTHER_URL, URL, files, sliced

PAIRS = st.integers(0, 70).flatmap(
    lambda size: st.tuples(
        st.just(size), *(st.sets(st.integers(0, size - 1)) if size else st.just(set[int]()),) * 2
    )
)


@given(sets=PAIRS)
def test_line_sets_are_sets(sets: tuple[int, set[int], set[int]]) -> None:
    size, one, other = sets
    first, second = LineSet.of(size, one), LineSet.of(size, other)
    assert list(first) == sorted(one)
    assert [index for index in range(-1, size + 9) if index in first] == sorted(one)
    assert first.count == len(one)
    assert set(first | second) == one | other
    assert set(first & second) == one & other
    assert set(first - second) == one - other
    assert first.is_disjoint(second) is one.isdisjoint(other)
    assert (first == second) is (one == other)
    assert (LineSet.all(size) - first) | first == LineSet.all(size)
    assert LineSet.all(size).count == size


@given(sets=PAIRS)
def test_bitmaps_have_the_lowest_bit_first(sets: tuple[int, set[int], set[int]]) -> None:
    size, indexes, _ = sets
    bits = LineSet.of(size, indexes).to_bytes()
    assert len(bits) == -(-size // 8)
    assert {index for index in range(len(bits) * 8) if bits[index // 8] >> index % 8 & 1} == indexes
    assert LineSet(size, bits) == LineSet.of(size, indexes)


@given(sets=PAIRS)
def test_runs_have_no_gap_and_do_not_touch(sets: tuple[int, set[int], set[int]]) -> None:
    size, indexes, _ = sets
    runs = list(LineSet.of(size, indexes).runs())
    assert {index for start, end in runs for index in range(start, end)} == indexes
    assert all(end < start for (_, end), (start, _) in pairwise(runs))


def test_sets_of_other_tiles_are_errors() -> None:
    with pytest.raises(ValueError, match="a bitmap of 2 bytes is not of a tile of 8 requests"):
        LineSet(8, b"\0\0")
    with pytest.raises(ValueError, match="bitmap"):
        LineSet(7, b"\x80")
    with pytest.raises(IndexError, match="a tile of 8 requests has none with the index 8"):
        LineSet.of(8, [8])
    for operation in (LineSet.__or__, LineSet.__and__, LineSet.__sub__, LineSet.is_disjoint):
        with pytest.raises(ValueError, match="tiles of 8 and of 9 requests"):
            operation(LineSet.all(8), LineSet.all(9))


def select(lines: LineSet, *blocks: bytes) -> tuple[bytes, Selected]:
    selector = LineSelector(lines)
    text = b"".join(map(selector.feed, blocks)) + selector.finish()
    return text, selector.selected()


def requests(content: bytes) -> list[bytes]:
    return [line for line in content.split(b"\n") if line.strip()]


@settings(max_examples=80)
@given(content=files(faults=False), data=st.data())
def test_the_lines_of_a_set_are_taken(content: bytes, data: st.DataObject) -> None:
    lines = requests(content)
    wanted = data.draw(st.sets(st.integers(0, len(lines) - 1)))
    text, selected = select(LineSet.of(len(lines), wanted), *data.draw(sliced(content)))
    taken = [lines[index] for index in sorted(wanted)]
    assert text == b"".join(line + b"\n" for line in taken)
    ids = [json.loads(line)["custom_id"].encode() for line in taken]
    assert selected == Selected(
        lines=len(taken),
        bytes=len(text),
        id_count=len(taken),
        id_sum=sum(int.from_bytes(id_digest(each)) for each in ids) % 2**128,
        tokens=-(-len(text) // 4),
        sha256=hashlib.sha256(text).hexdigest(),
    )


@pytest.mark.parametrize("odd", ["", ', "max_tokens": 1e400', ', "n": [5]'])
def test_tokens_are_estimated_as_the_check_does(odd: str) -> None:
    parts = [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 400_000}},
        {"type": "file", "file": {"file_id": "file-1"}},
        {"type": "text", "text": "what is it?"},
    ]
    body = '{"model": "m", "messages": ' + json.dumps([{"role": "user", "content": parts}])
    line = f'{{"custom_id": "%d", "method": "POST", "url": "{URL}", "body": {body}{odd}}}}}\n'
    content = "".join(line % number for number in range(3)).encode()
    limits = CheckLimits(max_lines=9, max_line_bytes=1 << 20)
    checker = LineChecker(endpoints=(URL, OTHER_URL), limits=limits, model_problem=lambda _: None)
    checker.feed(content)
    checked = checker.finish()
    _, selected = select(LineSet.all(3), content)
    assert selected.tokens == checked.tokens
    assert checked.tokens > 300_000


def test_a_deep_line_is_taken() -> None:
    line = b'{"custom_id": "a", "body": {"stop": ' + b"[" * 50_000 + b"]" * 50_000 + b"}}\n"
    text, selected = select(LineSet.all(1), line)
    assert (text, selected.tokens) == (line, -(-len(line) // 4))
    assert selected.id_sum == int.from_bytes(id_digest(b"a"))


def test_a_tile_with_other_lines_is_an_error() -> None:
    line = b'{"custom_id": "a", "body": {}}\n'
    for size in (1, 3):
        with pytest.raises(ValueError, match="requests"):
            select(LineSet.all(size), line, line)
    with pytest.raises(ValueError, match="not a request line"):
        select(LineSet.all(1), b"nope\n")
    assert select(LineSet.of(1, ()), b"nope\n")[0] == b""
    with pytest.raises(ValueError, match="too long"):
        LineSelector(LineSet.all(1), max_line_bytes=5).feed(line)
