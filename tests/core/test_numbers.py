"""Numbers of derived shards: what they are told by."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from litebatch_asgi.batches.deriving import number_of
from litebatch_asgi.files.cutting import MOST_TILES
from litebatch_asgi.jsonl import LineSet
from litebatch_asgi.models import Shard

SIZE = 40
line_sets = st.sets(st.integers(0, SIZE - 1), min_size=1)


def shard(lines: set[int], *, batch: str = "batch_lb1", root: int = 0, **values: int) -> Shard:
    whole = Shard(
        file_id="file-lb1",
        shard=0,
        batch_id=batch,
        root=root,
        start=0,
        bytes=1,
        first_line=0,
        lines=len(lines),
        id_count=len(lines),
        id_sum=0,
        tokens=0,
        lines_of_root=LineSet.of(SIZE, lines).to_bytes(),
    )
    return replace(whole, **values)


@given(
    lines=line_sets, number=st.integers(0, 9), tokens=st.integers(0, 99), parent=st.none() | st.integers(0, 9)
)
def test_the_same_lines_get_the_same_number_in_every_history(
    lines: set[int], number: int, tokens: int, parent: int | None
) -> None:
    first = number_of(shard(lines), parent)
    assert number_of(shard(lines, shard=number, tokens=tokens), parent) == first
    assert str(first).startswith("10")
    assert MOST_TILES < first < 1 << 30, "copies of its results have twice as high ones, of 31 bits"


@given(lines=line_sets, others=line_sets)
def test_other_lines_parents_batches_and_tiles_get_other_numbers(lines: set[int], others: set[int]) -> None:
    numbers = {
        number_of(shard(lines), 0),
        number_of(shard(lines), 1),
        number_of(shard(lines), None),
        number_of(shard(lines, root=1), 0),
        number_of(shard(lines, batch="batch_lb2"), 0),
    }
    assert len(numbers) == 5
    assert (number_of(shard(others), 0) in numbers) == (lines == others)
