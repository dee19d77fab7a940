"""Results of live jobs: who writes them, and how they are read."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from random import Random

import anyio
import pytest
from msgspec.structs import replace

from litebatch_asgi.models import FileKind, LineProgress, LineRange, LineResult, RangeWrite
from litebatch_asgi.storage import Storage
from litebatch_asgi.testing.conformance.base import StorageTests
from litebatch_asgi.testing.conformance.claims import ago
from litebatch_asgi.testing.conformance.lines import SOON, claimed, places, results, stored_ranges

LINES = tuple(range(10))


async def all_rows(storage: Storage, job_id: str, kind: FileKind = FileKind.OUTPUT) -> dict[int, bytes]:
    """The rows of a job, by line."""
    rows = await storage.lines.rows(job_id, kind, most_bytes=1 << 40)
    assert [row.kind for row in rows] == [kind] * len(rows)
    assert [row.line for row in rows] == sorted(row.line for row in rows)
    return {row.line: row.row for row in rows}


async def written(storage: Storage, line_range: LineRange, *made: LineResult) -> LineRange:
    """The range after a write of these results, which its holder has."""
    [after] = await storage.lines.write([RangeWrite(range=line_range, results=made)])
    assert after is not None
    return after


class LineResultTests(StorageTests):
    """Results of live jobs: who writes them, and how they are read."""

    async def test_results_are_written_and_counted(self, storage: Storage) -> None:
        """As bytes, by the holder of their range; the range comes back as it is then."""
        await stored_ranges(storage, count=2)
        first, second = await claimed(storage)
        error = LineResult(line=3, kind=FileKind.ERROR, row=bytes(range(256)))
        after = await written(storage, first, *results(0, 7), error)
        assert after == replace(first, done=3, failed=1)
        assert await storage.lines.results_in(first) == {0, 3, 7}
        assert await storage.lines.results_in(second) == frozenset()
        assert await all_rows(storage, first.job_id) == {0: b"row 0\n", 7: b"row 7\n"}
        assert await all_rows(storage, first.job_id, FileKind.ERROR) == {3: error.row}
        [renewed] = await storage.claims.renew([after], lease_seconds=60)
        assert isinstance(renewed, LineRange)
        assert (renewed.done, renewed.failed) == (3, 1)

    async def test_a_request_that_has_a_result_keeps_it(self, storage: Storage) -> None:
        """Be it of an earlier write, of an earlier holder, or of the same write; it counts once."""
        await stored_ranges(storage)
        [first] = await claimed(storage)
        twice = (*results(1), *results(1, kind=FileKind.ERROR, text="twice"))
        after = await written(storage, first, *twice)
        assert (after.done, after.failed) == (1, 0)
        after = await written(storage, after, *results(1, 2, text="again"))
        assert (after.done, after.failed) == (2, 0)
        await storage.lines.write([RangeWrite(range=after, give_back=ago(1))])
        [second] = await claimed(storage, worker="another")
        after = await written(storage, second, *results(2, 3, kind=FileKind.ERROR, text="later"))
        assert (after.done, after.failed) == (3, 1)
        assert await all_rows(storage, first.job_id) == {1: b"row 1\n", 2: b"again 2\n"}
        assert await all_rows(storage, first.job_id, FileKind.ERROR) == {3: b"later 3\n"}

    async def test_many_ranges_are_written_at_once(self, storage: Storage) -> None:
        """Returned in the order given; what is not held is None, and nothing of it is written."""
        ranges = await stored_ranges(storage, count=4) + await stored_ranges(storage, count=2)
        held = {each.key: each for each in await claimed(storage)}
        mine = [held[ranges[index].key] for index in (5, 1, 3, 0, 2)]
        mine[1] = replace(mine[1], epoch=0)
        mine[2] = replace(mine[2], claimed_by="another")
        writes = [
            RangeWrite(range=each, results=results(each.first_line), give_back=SOON, trying=each.first_line)
            for each in mine
        ]
        after = await storage.lines.write(writes)
        assert [None if each is None else each.key for each in after] == [
            mine[0].key,
            None,
            None,
            mine[3].key,
            mine[4].key,
        ]
        assert await all_rows(storage, ranges[0].job_id) == {0: b"row 0\n", 20: b"row 20\n"}
        assert await all_rows(storage, ranges[5].job_id) == {10: b"row 10\n"}
        untouched = [held[ranges[index].key] for index in (1, 3, 4)]
        renewed = await storage.claims.renew(untouched, lease_seconds=60)
        assert [replace(each, claimed_until=None) for each in renewed if isinstance(each, LineRange)] == [
            replace(each, claimed_until=None) for each in untouched
        ]
        assert await storage.lines.write([]) == []

    @pytest.mark.parametrize("line", [9, 20, -1])
    async def test_a_result_outside_its_range_is_refused(self, storage: Storage, line: int) -> None:
        """With all that is to be written with it, although another range of the job may have the request."""
        await stored_ranges(storage, count=3)
        first, second, _ = await claimed(storage)
        wrong = RangeWrite(range=second, results=results(10, line))
        with pytest.raises(ValueError, match=f"no request {line}"):
            await storage.lines.write([RangeWrite(range=first, results=results(0)), wrong])
        assert await all_rows(storage, first.job_id) == {}
        assert (await written(storage, second, *results(10, 19))).done == 2

    async def test_a_lapsed_claim_is_held_until_somebody_takes_it(self, storage: Storage) -> None:
        """Its results are written; those of a holder whose range was taken are not."""
        await stored_ranges(storage)
        [first] = await claimed(storage, lease_seconds=0)
        after = await written(storage, first, *results(0))
        assert after.claimed_by == "worker"
        [second] = await claimed(storage, worker="second")
        assert second.done == 1
        assert await storage.lines.write([RangeWrite(range=after, results=results(1))]) == [None]
        assert await storage.lines.results_in(first) == {0}
        assert (await written(storage, second, *results(1))).done == 2

    async def test_a_range_that_is_through_is_given_back_for_ever(self, storage: Storage) -> None:
        """By the write of the last result, whatever else that says; its holder can write no more."""
        await stored_ranges(storage, lines=9)
        [held] = await claimed(storage)
        after = await written(storage, held, *results(*LINES[:8]))
        assert after.claimed_by == "worker"
        last = RangeWrite(range=after, results=results(8, 0, kind=FileKind.ERROR), give_back=ago(1))
        [through] = await storage.lines.write([last])
        assert through == replace(
            held, done=9, failed=1, next_check_at=None, claimed_by=None, claimed_until=None
        )
        assert await claimed(storage) == []
        assert await storage.lines.write([replace(last, results=results(9))]) == [None]
        assert await storage.claims.renew([held], lease_seconds=60) == []

    async def test_a_range_that_is_given_back_is_due_when_it_says(self, storage: Storage) -> None:
        """Nobody holds it then, its holder neither."""
        await stored_ranges(storage)
        [held] = await claimed(storage)
        [later] = await storage.lines.write([RangeWrite(range=held, results=results(0), give_back=SOON)])
        assert later == replace(held, done=1, next_check_at=SOON, claimed_by=None, claimed_until=None)
        assert await claimed(storage) == []
        assert await storage.lines.write([RangeWrite(range=held, results=results(1))]) == [None]
        await stored_ranges(storage, next_check_at=ago(1))
        [other] = await claimed(storage)
        due = ago(0.001)
        [given] = await storage.lines.write([RangeWrite(range=other, give_back=due)])
        assert given is not None
        assert given.next_check_at == due
        assert places(await claimed(storage)) == [other.key]

    async def test_what_is_tried_alone_is_counted(self, storage: Storage) -> None:
        """Once more by whoever begins with the same; from 1 for another. No news leaves it as it is.

        What is written again by a holder who had no answer counts once.
        """
        await stored_ranges(storage)
        [held] = await claimed(storage)
        tries: list[tuple[int | None, int]] = []
        for trying in (0, 0, None, 4, 0, 0, 0):
            [after] = await storage.lines.write([RangeWrite(range=held, trying=trying)])
            assert await storage.lines.write([RangeWrite(range=held, trying=trying)]) == [after]
            assert after is not None
            held = after
            tries.append((held.trying, held.tries))
        assert tries == [(0, 1), (0, 2), (0, 2), (4, 1), (0, 1), (0, 2), (0, 3)]
        await storage.lines.write([RangeWrite(range=held, give_back=ago(1))])
        [again] = await claimed(storage, worker="another")
        assert (again.trying, again.tries) == (0, 3)

    async def test_results_may_be_large(self, storage: Storage) -> None:
        """And many: what goes to the database at a time is not what is written at once."""
        await stored_ranges(storage, lines=3000, end_line=3000)
        [held] = await claimed(storage)
        large = [bytes([line]) * (700_000 + line) for line in range(4)]
        made = [LineResult(line=line, kind=FileKind.OUTPUT, row=row) for line, row in enumerate(large)]
        small = results(*range(4, 3000))
        assert (await written(storage, held, *made, *small)).done == 3000
        rows = await all_rows(storage, held.job_id)
        assert [rows[line] for line in range(4)] == large
        assert len(rows) == 3000

    async def test_progress_is_of_all_ranges(self, storage: Storage) -> None:
        """Closed is a job of which nothing is to come, because all is there."""
        ranges = await stored_ranges(storage, count=2)
        await stored_ranges(storage)
        job_id = ranges[0].job_id
        assert await storage.lines.progress(job_id) == LineProgress(
            lines=20, done=0, failed=0, is_closed=False
        )
        held = {each.key: each for each in await claimed(storage)}
        await written(storage, held[ranges[0].key], *results(*LINES, kind=FileKind.ERROR))
        second = await written(storage, held[ranges[1].key], *results(10))
        some = LineProgress(lines=20, done=11, failed=10, is_closed=False)
        assert await storage.lines.progress(job_id) == some
        await written(storage, second, *results(*range(11, 20)))
        assert await storage.lines.progress(job_id) == LineProgress(
            lines=20, done=20, failed=10, is_closed=True
        )

    async def test_a_job_without_ranges_has_no_lines(self, storage: Storage) -> None:
        """And is closed, also by being closed."""
        nothing = LineProgress(lines=0, done=0, failed=0, is_closed=True)
        assert await storage.lines.progress("job_lb-unknown") == nothing
        assert await storage.lines.close("job_lb-unknown") == nothing
        assert await storage.lines.rows("job_lb-unknown", FileKind.OUTPUT) == []

    async def test_a_closed_job_gets_no_results_any_more(self, storage: Storage) -> None:
        """Its ranges are given back with a higher epoch, and never due; once more does nothing."""
        ranges = await stored_ranges(storage, count=3)
        other = await stored_ranges(storage)
        held = {each.key: each for each in await claimed(storage)}
        first, second = (held[each.key] for each in ranges[:2])
        await written(storage, first, *results(1, 2))
        await storage.lines.write([RangeWrite(range=held[ranges[2].key], give_back=ago(1))])
        closed = LineProgress(lines=30, done=2, failed=0, is_closed=True)
        for _ in range(2):
            assert await storage.lines.close(first.job_id) == closed
            assert await storage.lines.progress(first.job_id) == closed
            after = await storage.lines.write(
                [RangeWrite(range=each, results=results(each.first_line + 5)) for each in (first, second)]
            )
            assert after == [None, None]
            assert await storage.claims.renew([first, second], lease_seconds=60) == []
            guessed = replace(first, epoch=first.epoch + 1)
            assert await storage.lines.write([RangeWrite(range=guessed, results=results(6))]) == [None]
            assert await claimed(storage) == []
        assert set(await all_rows(storage, first.job_id)) == {1, 2}
        assert (await written(storage, held[other[0].key], *results(1))).done == 1

    async def test_rows_are_read_in_pages(self, storage: Storage) -> None:
        """Of one kind, in order of their lines, as many as fit and one at the least; none at the end."""
        await stored_ranges(storage, end_line=100, lines=100)
        await stored_ranges(storage)
        first, _ = await claimed(storage)
        sizes = {1: 5, 2: 5, 4: 50, 5: 1, 6: 8, 90: 9}
        made = [LineResult(line=line, kind=FileKind.OUTPUT, row=b"x" * size) for line, size in sizes.items()]
        Random(1).shuffle(made)  # noqa: S311
        await written(storage, first, *made, *results(3, 60, kind=FileKind.ERROR))
        pages: list[list[int]] = []
        after = -1
        while page := await storage.lines.rows(first.job_id, FileKind.OUTPUT, after=after, most_bytes=10):
            pages.append([row.line for row in page])
            after = page[-1].line
        assert pages == [[1, 2], [4], [5, 6], [90]]
        whole = await storage.lines.rows(first.job_id, FileKind.OUTPUT)
        assert [row.line for row in whole] == list(sizes)
        errors = await storage.lines.rows(first.job_id, FileKind.ERROR, after=3)
        assert [row.line for row in errors] == [60]
        assert await storage.lines.rows(first.job_id, FileKind.ERROR, after=60) == []

    async def test_writes_at_once_are_counted_exactly(self, storages: Sequence[Storage]) -> None:
        """Several of one holder, and of holders of several ranges of one job, in whatever order."""
        await stored_ranges(storages[0], count=6)
        held = await claimed(storages[0])
        chosen = Random(1)  # noqa: S311

        async def write(storage: Storage, line: int) -> None:
            mine = chosen.sample(held, len(held))
            await storage.lines.write(
                [RangeWrite(range=each, results=results(each.first_line + line)) for each in mine]
            )

        async with anyio.create_task_group() as tasks:
            for turn in range(4 * len(storages)):
                tasks.start_soon(write, storages[turn % len(storages)], turn % 7)
        count = min(7, 4 * len(storages))
        expected = LineProgress(lines=60, done=6 * count, failed=0, is_closed=False)
        assert await storages[0].lines.progress(held[0].job_id) == expected

    @pytest.mark.parametrize("seed", range(6))
    async def test_however_workers_get_in_each_other_s_way_each_request_has_one_result(
        self, storages: Sequence[Storage], seed: int
    ) -> None:
        """They claim, lose their claims, write late, try alone and give back, until the job is closed.

        What was read before never changes, counts are exact, and after the close nothing is written.
        """
        chosen = Random(seed)  # noqa: S311
        ranges = await stored_ranges(storages[0], count=3)
        job_id, accepted = ranges[0].job_id, dict[int, bytes]()

        async def work(storage: Storage, worker: str) -> None:
            known: list[LineRange] = []
            for turn in range(12):
                lease = chosen.choice([0, 0, 60])
                known += await claimed(storage, chosen.randint(1, 2), worker=worker, lease_seconds=lease)
                if chosen.random() < 0.2:
                    await storage.claims.renew(known, lease_seconds=chosen.choice([0, 60]))
                mine = chosen.sample(known, min(len(known), 2))
                writes = [_some(chosen, each, f"{worker}-{turn}") for each in mine]
                for write, after in zip(writes, await storage.lines.write(writes), strict=True):
                    if after is not None:
                        known = [after if each.key == after.key else each for each in known]
                        accepted.update({each.line: each.row for each in write.results} | accepted)
                before, rows = dict(seen), await _both(storage, job_id)
                assert before.items() <= rows.items()
                seen.update(rows)

        seen: dict[int, bytes] = {}
        ends: list[tuple[LineProgress, dict[int, bytes]]] = []
        async with anyio.create_task_group() as tasks:
            for number in range(3):
                tasks.start_soon(work, storages[number % len(storages)], f"worker-{number}")
            for _ in range(chosen.randint(20, 200)):
                await anyio.lowlevel.checkpoint()
            ends.append((await storages[-1].lines.close(job_id), await _both(storages[0], job_id)))
        [(progress, closed)] = ends
        assert await _both(storages[0], job_id) == closed
        assert seen.items() <= closed.items()
        assert set(accepted) == set(closed)
        assert progress == await storages[0].lines.progress(job_id)
        errors = await all_rows(storages[0], job_id, FileKind.ERROR)
        assert progress == LineProgress(lines=30, done=len(closed), failed=len(errors), is_closed=True)

    async def test_a_close_and_a_write_cannot_pass_each_other(self, storages: Sequence[Storage]) -> None:
        """What the close has counted is what there is."""
        for turn in range(10):
            await stored_ranges(storages[0])
            [held] = await claimed(storages[0])
            write = partial(storages[0].lines.write, [RangeWrite(range=held, results=results(*LINES[:5]))])
            counted: list[LineProgress] = []

            async def close(job_id: str, counted: list[LineProgress]) -> None:
                counted.append(await storages[-1].lines.close(job_id))

            async with anyio.create_task_group() as tasks:
                if turn % 2:
                    tasks.start_soon(write)
                tasks.start_soon(close, held.job_id, counted)
                if turn % 2 == 0:
                    tasks.start_soon(write)
            [progress] = counted
            assert progress.done == len(await all_rows(storages[0], held.job_id))


def _some(chosen: Random, line_range: LineRange, text: str) -> RangeWrite:
    """A write of some results of a range."""
    lines = [
        chosen.randrange(line_range.first_line, line_range.end_line) for _ in range(chosen.randint(0, 6))
    ]
    made = [each for line in lines for each in results(line, kind=chosen.choice(_KINDS), text=text)]
    return RangeWrite(
        range=line_range,
        results=tuple(made),
        trying=chosen.choice([None, line_range.first_line]),
        give_back=chosen.choice([None, None, None, ago(1)]),
    )


_KINDS = (FileKind.OUTPUT, FileKind.ERROR)


async def _both(storage: Storage, job_id: str) -> dict[int, bytes]:
    """The rows of both kinds; of one moment, for what is there stays."""
    error = await all_rows(storage, job_id, FileKind.ERROR)
    return await all_rows(storage, job_id) | error
