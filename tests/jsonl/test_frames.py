"""Blocks of any size become runs of whole lines, and no line over the limit is held."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from litebatch_asgi.jsonl.frames import LineFramer, Run, is_utf8

from .strategies import sliced

pieces = st.lists(st.sampled_from([b"a", b"\n", b"bc" * 5, b"\n\n", "é".encode()]), max_size=12).map(b"".join)


def lines(runs: list[Run]) -> list[bytes | None]:
    """All lines; None for one that was too long."""
    return [line for run in runs for line in (run.lines() if run.text is not None else [None])]


def frame(blocks: list[bytes], limit: int) -> list[Run]:
    framer = LineFramer(limit)
    runs = [run for block in blocks for run in framer.feed(block)]
    runs += framer.finish()
    assert framer.offset == sum(map(len, blocks))
    return runs


@given(content=pieces, limit=st.sampled_from([0, 1, 9, 1000]), data=st.data())
def test_lines_come_whole_in_any_slices(content: bytes, limit: int, data: st.DataObject) -> None:
    split = content.split(b"\n")
    ended = [line + b"\n" for line in split[:-1]] + ([split[-1]] if split[-1] else [])
    expected = [line if len(line.removesuffix(b"\n")) <= limit else None for line in ended]
    runs = frame(data.draw(sliced(content)), limit)
    assert lines(runs) == expected
    for run in runs:
        if run.text is not None:
            assert content.startswith(run.text[run.start : run.end], run.offset + run.start)
            assert len(run.lines()[0]) > 0


def test_a_block_of_whole_lines_is_not_copied() -> None:
    block = b"a\nb\n"
    assert frame([block], 10)[0].text is block


def test_a_long_line_in_many_blocks_is_one_run() -> None:
    assert lines(frame([b"x" * 10] * 100 + [b"\ny"], 1000)) == [b"x" * 1000 + b"\n", b"y"]
    assert lines(frame([b"x" * 10] * 100 + [b"\ny"], 999)) == [None, b"y"]


@pytest.mark.parametrize("bad", [b"\xff", b"\xc3", b"\xc3\n", b"\xed\xa0\x80"])
def test_utf8_is_looked_at_in_pieces(bad: bytes) -> None:
    good = "é€😀".encode() * 100_000
    assert is_utf8(good, 0, len(good))
    assert not is_utf8(good + bad, 0, len(good) + len(bad))
    assert not is_utf8(bad + good, 0, len(good))
    assert is_utf8(good + bad, 0, len(good))
