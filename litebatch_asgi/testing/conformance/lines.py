"""Ranges of live jobs: who runs them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest
from msgspec.structs import replace

from litebatch_asgi.errors import StateConflict
from litebatch_asgi.models import (
    BatchChange,
    Claim,
    FileKind,
    JobState,
    Lane,
    LineRange,
    LineResult,
    RangeWrite,
    Sharing,
)
from litebatch_asgi.storage import Storage
from litebatch_asgi.testing.conformance.base import StorageTests, state_of, stored_batch, stored_job, writing
from litebatch_asgi.testing.conformance.claims import ago
from litebatch_asgi.testing.conformance.leases import Moments, until
from litebatch_asgi.testing.samples import a_batch, a_file, a_job, a_line_range

SOON = datetime(2126, 1, 1, tzinfo=UTC)


async def stored_ranges(
    storage: Storage, *, count: int = 1, owner: str = "team:search", deployment: str = "east", **fields: Any
) -> list[LineRange]:
    """The ranges of a live job, which has a batch of its own, in the database."""
    batch = a_batch(a_file(owner=owner))
    job = a_job(batch, lane=Lane.LIVE, state=JobState.SUBMITTED, deployment_id=deployment)
    await stored_batch(storage, job, batch=batch)
    ranges = [a_line_range(job, seq=seq, **fields) for seq in range(count)]
    await storage.change_batch(batch.id, writing(line_ranges=tuple(ranges)))
    return ranges


async def claimed(
    storage: Storage,
    room: int = 99,
    *,
    worker: str = "worker",
    lease_seconds: float = 60,
    avoid: Collection[str] = (),
) -> list[LineRange]:
    """The ranges at `east` that one claim gives."""
    return await storage.lines.claim(
        worker, lease_seconds=lease_seconds, room={"east": room}, avoid={"east": avoid}
    )


def results(*lines: int, kind: FileKind = FileKind.OUTPUT, text: str = "row") -> tuple[LineResult, ...]:
    """Results of these requests."""
    return tuple(LineResult(line=line, kind=kind, row=f"{text} {line}\n".encode()) for line in lines)


def places(ranges: Sequence[LineRange]) -> list[tuple[str, int]]:
    """The keys of ranges."""
    return [each.key for each in ranges]


class LineTests(StorageTests):
    """Ranges of live jobs: who runs them."""

    async def test_a_job_comes_back_with_its_lane(self, storage: Storage) -> None:
        """Which is written when it is placed."""
        job = await stored_job(storage)
        assert (await state_of(storage, job)).jobs[0].lane is Lane.NATIVE
        await storage.change_batch(job.batch_id, writing(jobs=(replace(job, lane=Lane.LIVE),)))
        assert (await state_of(storage, job)).jobs[0].lane is Lane.LIVE

    async def test_ranges_come_back_as_they_were_written(self, storage: Storage) -> None:
        """Every field, at the edges of what it may hold; with a new batch as with a change of one."""
        large = {"first_line": 99_990, "end_line": 100_000, "start": 2**40, "bytes": 2**31, "epoch": 2**40}
        written: dict[str, Any] = {
            **large,
            "lines": 9,
            "done": 8,
            "failed": 7,
            "one_by_one": True,
            "trying": 99_999,
            "tries": 2,
            "expires_at": SOON,
            "claimed_by": "worker",
        }
        ranges = await stored_ranges(storage, count=3, **written)
        batch = a_batch(a_file())
        job = a_job(batch, lane=Lane.LIVE, state=JobState.SUBMITTED)
        ranges.append(a_line_range(job, **written))
        await storage.create_file(a_file(id=batch.input_file_id), [])
        change = BatchChange(batch=batch, new_jobs=(job,), line_ranges=(ranges[-1],))
        await storage.create_batch(batch.input_file_id, lambda _: change)
        renewed = await storage.claims.renew(ranges, lease_seconds=60)
        assert [
            replace(each, claimed_until=None) for each in renewed if isinstance(each, LineRange)
        ] == ranges

    async def test_ranges_are_written_with_their_change_or_not_at_all(self, storage: Storage) -> None:
        """One that is there already is a conflict."""
        [line_range] = await stored_ranges(storage)
        state = await storage.get_batch_state(line_range.batch_id)
        assert state is not None
        [job] = state.jobs
        changed = replace(job, reason="changed")
        again = (a_line_range(job, seq=1), replace(line_range, lines=5))
        with pytest.raises(StateConflict):
            await storage.change_batch(job.batch_id, writing(jobs=(changed,), line_ranges=again))
        assert await storage.get_batch_state(job.batch_id) == state
        assert places(await claimed(storage)) == [line_range.key]

    async def test_many_batches_get_ranges_in_one_change(self, storage: Storage) -> None:
        """As in changes of one."""
        jobs = [await stored_job(storage, lane=Lane.LIVE, state=JobState.SUBMITTED) for _ in range(2)]
        of = {job.batch_id: a_line_range(job) for job in jobs}

        await storage.change_batches(
            list(of), lambda state: BatchChange(batch=state.batch, line_ranges=(of[state.batch.id],))
        )
        assert sorted(places(await claimed(storage))) == sorted(each.key for each in of.values())

    async def test_a_claim_is_written_and_returned(self, storage: Storage) -> None:
        """`claimed_by`, `claimed_until` by the database's clock, and the next epoch; the rest stays."""
        [line_range] = await stored_ranges(storage, epoch=4, done=3, trying=2, tries=1)
        async with Moments(storage) as moments:
            [held] = await claimed(storage)
        assert moments.are_around(until(held))
        expected = replace(line_range, claimed_by="worker", claimed_until=held.claimed_until, epoch=5)
        assert held == expected
        async with Moments(storage) as moments:
            [renewed] = await storage.claims.renew([held], lease_seconds=60)
        assert moments.are_around(until(renewed))
        assert renewed == replace(expected, claimed_until=renewed.claimed_until)

    async def test_only_due_ranges_are_claimed(self, storage: Storage) -> None:
        """Not those whose time is to come, nor those that are through, nor those that somebody holds."""
        [due] = await stored_ranges(storage, next_check_at=ago(0.001))
        await stored_ranges(storage, next_check_at=ago(-60))
        await stored_ranges(storage, next_check_at=None)
        await stored_ranges(storage, next_check_at=ago(1), claimed_by="other", claimed_until=ago(-60))
        assert places(await claimed(storage)) == [due.key]
        assert await claimed(storage) == []
        assert await claimed(storage, worker="another") == []

    async def test_ranges_that_expire_first_are_claimed_first(self, storage: Storage) -> None:
        """However long others have been due; those that expire together in order of job and number."""
        late = await stored_ranges(storage, count=2, expires_at=SOON, next_check_at=ago(60))
        early = await stored_ranges(storage, count=2, expires_at=SOON - timedelta(seconds=2))
        same = [await stored_ranges(storage, count=2, expires_at=SOON - timedelta(seconds=1)) for _ in "ab"]
        between = sorted((each for ranges in same for each in ranges), key=lambda each: each.key)
        assert places(await claimed(storage, 3)) == places([*early, *between])[:3]
        assert places(await claimed(storage)) == places([*between, *late])[1:]

    async def test_each_deployment_has_its_own_room(self, storage: Storage) -> None:
        """One that is not named is passed over."""
        for deployment in ("east", "west", "north"):
            await stored_ranges(storage, count=3, deployment=deployment)
        room = {"east": 1, "west": 2, "south": 5, "north": 0}
        found = await storage.lines.claim("worker", lease_seconds=60, room=room)
        assert sorted(each.deployment_id for each in found) == ["east", "west", "west"]
        assert await storage.lines.claim("worker", lease_seconds=60, room={}) == []
        found = await storage.lines.claim("worker", lease_seconds=60, room={"west": 9, "east": -1})
        assert [each.deployment_id for each in found] == ["west"]

    async def test_owners_take_turns(self, storage: Storage) -> None:
        """The range of each that expires first, then the second of each; in a turn what expires first."""
        for owner, count, seconds in (("a", 6, 100), ("b", 2, 3), ("c", 1, 2), ("", 1, 1)):
            expires = SOON - timedelta(seconds=seconds)
            await stored_ranges(storage, count=count, owner=owner, expires_at=expires)
        assert [each.owner for each in await claimed(storage, 3)] == ["a", "b", "c"]
        assert [each.owner for each in await claimed(storage, 4)] == ["a", "a", "b", ""]
        assert [each.owner for each in await claimed(storage)] == ["a"] * 3

    async def test_owners_can_be_passed_over(self, storage: Storage) -> None:
        """At the deployment that is named with them, and nowhere else."""
        for deployment in ("east", "west"):
            for owner in ("a", "c'\""):
                await stored_ranges(storage, owner=owner, deployment=deployment)
        assert await claimed(storage, avoid=["a", "c'\"", "unknown"]) == []
        assert [each.owner for each in await claimed(storage, avoid=["a"])] == ["c'\""]
        found = await storage.lines.claim(
            "worker", lease_seconds=60, room={"west": 9}, avoid={"east": ["a"], "west": ["c'\""]}
        )
        assert [each.owner for each in found] == ["a"]

    async def test_a_range_whose_holder_was_lost_is_run_one_by_one(self, storage: Storage) -> None:
        """By whoever gets it then, and ever after."""
        await stored_ranges(storage)
        [first] = await claimed(storage, lease_seconds=0)
        assert (first.one_by_one, first.epoch) == (False, 1)
        [second] = await claimed(storage, worker="second")
        assert (second.one_by_one, second.epoch, second.claimed_by) == (True, 2, "second")
        await storage.lines.write([RangeWrite(range=second, give_back=ago(1))])
        [third] = await claimed(storage)
        assert (third.one_by_one, third.epoch) == (True, 3)

    async def test_a_range_that_was_given_back_is_not(self, storage: Storage) -> None:
        """Be it by a write, or by a lease of no time."""
        await stored_ranges(storage)
        [first] = await claimed(storage)
        await storage.lines.write([RangeWrite(range=first, give_back=ago(1))])
        [second] = await claimed(storage)
        await storage.claims.renew([second], lease_seconds=0)
        [third] = await claimed(storage)
        assert (third.one_by_one, third.epoch) == (False, 3)

    async def test_claims_on_ranges_are_renewed_among_others(self, storage: Storage) -> None:
        """Those that are still held, in the order given."""
        job = await stored_job(storage, claimed_by="worker", epoch=2)
        await stored_ranges(storage, count=3)
        first, second, third = await claimed(storage)
        await storage.lines.write([RangeWrite(range=second, give_back=ago(1))])
        stale = replace(third, epoch=0)
        mine: list[Claim] = [third, job, second, stale, first, replace(first, claimed_by="another")]
        renewed = await storage.claims.renew(mine, lease_seconds=600)
        assert [each.name for each in renewed] == [third.name, job.name, first.name]
        assert all(each.claimed_until is not None and each.claimed_until > ago(-500) for each in renewed)

    async def test_ranges_that_are_not_ours_any_more_are_told(self, storages: Sequence[Storage]) -> None:
        """Those that were claimed by another or closed, and those that are gone; in the order given."""
        storage = storages[0]
        await stored_ranges(storage, count=4)
        held, given_back, taken, lapsed = await claimed(storage)
        other = a_line_range(a_job(a_batch(a_file())), lines=2)
        assert await storage.lines.lost([]) == []
        mine = [other, lapsed, taken, given_back, held]
        assert await storages[-1].lines.lost(mine) == [other]
        writes = [RangeWrite(range=given_back, give_back=SOON), RangeWrite(range=taken, give_back=ago(1))]
        await storage.lines.write(writes)
        await storage.claims.renew([lapsed], lease_seconds=0)
        assert await storage.lines.lost(mine) == [other]
        assert len(await claimed(storage, worker="another")) == 2
        assert await storages[-1].lines.lost(mine) == [other, lapsed, taken]
        await storage.lines.close(held.job_id)
        assert await storages[-1].lines.lost(mine) == mine

    async def test_who_shares_a_deployment_is_told(self, storage: Storage) -> None:
        """Each worker with a running claim there counts once."""
        await stored_ranges(storage, count=5)
        await stored_ranges(storage, deployment="west")
        assert await storage.lines.sharing(["east"]) == {"east": Sharing(holders=0)}
        await claimed(storage, 1, worker="lost", lease_seconds=0)
        for worker, room in (("first", 2), ("second", 1), ("third", 1)):
            [held, *_] = await claimed(storage, room, worker=worker)
        await storage.lines.write([RangeWrite(range=held, give_back=SOON)])
        expected = {"east": Sharing(holders=2), "west": Sharing(holders=0), "north": Sharing(holders=0)}
        assert await storage.lines.sharing({"east", "west", "north"}) == expected
        assert await storage.lines.sharing([]) == {}

    async def test_a_deployment_is_given_to_one_worker_alone(self, storage: Storage) -> None:
        """Until that gives it back, or its time is over; whoever has it has it for so long anew."""
        lines = storage.lines
        assert await lines.take_alone("east", "first", lease_seconds=60)
        assert not await lines.take_alone("east", "second", lease_seconds=60)
        assert await lines.take_alone("west", "second", lease_seconds=60)
        both = {"east": Sharing(holders=0, alone="first"), "west": Sharing(holders=0, alone="second")}
        assert await lines.sharing(["east", "west"]) == both
        assert await lines.take_alone("east", "first", lease_seconds=60)
        await lines.end_alone("east", "second")
        assert not await lines.take_alone("east", "second", lease_seconds=60)
        await lines.end_alone("east", "first")
        await lines.end_alone("east", "first")
        assert await lines.sharing(["east"]) == {"east": Sharing(holders=0)}
        assert await lines.take_alone("east", "second", lease_seconds=0)
        assert await lines.sharing(["east"]) == {"east": Sharing(holders=0)}
        assert await lines.take_alone("east", "third", lease_seconds=60)
        await lines.end_alone("east", "second")
        assert await lines.sharing(["east"]) == {"east": Sharing(holders=0, alone="third")}

    async def test_claims_at_once_never_give_out_one_range_twice(self, storages: Sequence[Storage]) -> None:
        """And together they give out all, each with its first epoch."""
        expected = [each.key for _ in range(4) for each in await stored_ranges(storages[0], count=10)]
        found: list[LineRange] = []

        async def claim(storage: Storage, worker: str) -> None:
            while ranges := await claimed(storage, 3, worker=worker):
                found.extend(ranges)

        async with anyio.create_task_group() as tasks:
            for number, storage in enumerate((*storages, *storages)):
                tasks.start_soon(claim, storage, f"worker-{number}")
        found += await claimed(storages[0])
        assert sorted(places(found)) == sorted(expected)
        assert {each.epoch for each in found} == {1}

    async def test_one_alone_is_alone_among_many(self, storages: Sequence[Storage]) -> None:
        """Of those that ask at once one gets the deployment."""
        for turn in range(10):
            given: list[str] = []

            async def take(storage: Storage, worker: str, turn: int, given: list[str]) -> None:
                if await storage.lines.take_alone(f"east-{turn}", worker, lease_seconds=60):
                    given.append(worker)

            async with anyio.create_task_group() as tasks:
                for number, storage in enumerate((*storages, *storages)):
                    tasks.start_soon(take, storage, f"worker-{number}", turn, given)
            assert len(given) == 1
