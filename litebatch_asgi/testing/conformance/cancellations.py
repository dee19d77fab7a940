"""Callers that are cancelled."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from decimal import Decimal

import anyio
import anyio.from_thread
import anyio.lowlevel
import pytest
from msgspec.structs import replace

from litebatch_asgi.models import (
    BatchChange,
    BatchState,
    BatchStatus,
    FileKind,
    FilePart,
    JobState,
    Work,
)
from litebatch_asgi.storage import Storage
from litebatch_asgi.testing.conformance.base import (
    StorageTests,
    file_state_of,
    state_of,
    stored_batch,
    stored_file,
    stored_job,
    writing,
)
from litebatch_asgi.testing.conformance.claims import ROOM
from litebatch_asgi.testing.conformance.ledger import all_sums
from litebatch_asgi.testing.samples import a_charge, a_copy, a_file, a_part, an_event


async def _awaited(call: Callable[[], Awaitable[object]]) -> None:
    await call()


async def _cancelled_after(steps: int, call: Callable[[], Awaitable[object]]) -> None:
    """Begin a call and cancel it once the event loop has turned that often."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_awaited, call)
        for _ in range(steps):
            await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()


class CancellationTests(StorageTests):
    """Callers that are cancelled."""

    @pytest.mark.parametrize("steps", range(0, 60, 3))
    async def test_a_cancelled_change_is_written_whole_or_not_at_all(
        self, storage: Storage, steps: int
    ) -> None:
        """Wherever it is cancelled; afterwards everything goes on as before."""
        batch = await stored_batch(storage)
        before = await state_of(storage, batch)
        event = an_event(batch)
        charge = a_charge(before.jobs[0], batch, cost=Decimal(3), scopes=("team:a",))

        def decide(state: BatchState) -> BatchChange:
            return BatchChange(
                batch=replace(state.batch, status=BatchStatus.COMPLETED),
                jobs=(replace(state.jobs[0], state=JobState.SETTLED),),
                events=(event,),
                charges=(charge,),
            )

        await _cancelled_after(steps, lambda: storage.change_batch(batch.id, decide))
        after = await state_of(storage, batch)
        if after.batch.status is BatchStatus.COMPLETED:
            assert after.jobs[0].state is JobState.SETTLED
            assert await storage.list_events() == [event]
        else:
            assert after == before
            assert await storage.list_events() == []
            assert await all_sums(storage, "team:a") == ([], {"team:a": Decimal(0)})
            await storage.change_batch(batch.id, decide)
            assert await storage.list_events() == [event]
        assert (await all_sums(storage, "team:a"))[1] == {"team:a": Decimal(3)}

    async def test_a_change_that_is_cancelled_while_it_decides(self, storage: Storage) -> None:
        """The cancellation comes between the reading and the writing."""
        batch = await stored_batch(storage)
        file = await stored_file(storage, a_copy(a_file()))
        event = an_event(batch)
        with anyio.CancelScope() as scope:

            def decide(state: BatchState) -> BatchChange:
                scope.cancel()
                changed = replace(state.batch, status=BatchStatus.COMPLETED)
                return BatchChange(batch=changed, events=(event,))

            await storage.change_batch(batch.id, decide)
        is_written = (await state_of(storage, batch)).batch.status is BatchStatus.COMPLETED
        assert (await storage.list_events() == [event]) is is_written
        assert len(await storage.claims.claim_copies("worker", lease_seconds=60, room={"east": 1})) == 1
        assert (await file_state_of(storage, file)).copies[0].epoch == 1

    async def test_a_change_that_is_cancelled_while_parts_are_taken(self, storage: Storage) -> None:
        """Nothing of a file is there, or all of it; the iterable is no longer read afterwards."""
        file = a_file(kind=FileKind.OUTPUT)
        batch = await stored_batch(storage)
        begun, taken = anyio.Event(), 0
        loop_token = anyio.lowlevel.current_token()

        def parts() -> Iterator[FilePart]:
            nonlocal taken
            for seq in range(200):
                if seq == 40:
                    anyio.from_thread.run_sync(begun.set, token=loop_token)
                taken += 1
                yield a_part(file, seq=seq, rows=b"x" * 65_536)

        change = writing(files=(file,), parts=parts())
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(storage.change_batch, batch.id, change)
            await begun.wait()
            tasks.cancel_scope.cancel()
        taken_then = taken
        seqs = [part.seq async for part in storage.file_parts(file.id)]
        is_written = await storage.get_file(file.id) is not None
        assert seqs == (list(range(200)) if is_written else [])
        await storage.change_batch(batch.id, lambda _: None)
        assert taken == taken_then

    @pytest.mark.parametrize("steps", range(0, 40, 4))
    async def test_a_cancelled_claim_holds_all_it_claimed_or_nothing(
        self, storage: Storage, steps: int
    ) -> None:
        """A claim that nobody heard of runs out like any other."""
        for _ in range(3):
            await stored_job(storage)
        await _cancelled_after(
            steps, lambda: storage.claims.claim_jobs("worker", lease_seconds=60, room=ROOM, work=Work.PLACE)
        )
        left = await storage.claims.claim_jobs("another", lease_seconds=60, room=ROOM, work=Work.PLACE)
        assert len(left) in (0, 3)
