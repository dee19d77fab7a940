"""What is open, and how late what is due is."""

from __future__ import annotations

from functools import partial

import pytest
from msgspec.structs import replace

from litebatch_asgi.errors import StorageUnavailable
from litebatch_asgi.figures import WEBHOOKS, Untold
from litebatch_asgi.models import (
    BatchStatus,
    CopyState,
    FailedAttempt,
    JobState,
    OutboxItem,
    RegisteredSink,
    WebhookEventType,
    Work,
)
from litebatch_asgi.storage import Storage
from litebatch_asgi.testing.conformance.base import (
    NewStorage,
    StorageTests,
    stored_batch,
    stored_file,
    stored_job,
    writing,
)
from litebatch_asgi.testing.conformance.claims import ROOM, ago
from litebatch_asgi.testing.samples import a_copy, a_file, an_endpoint, an_event

CLOCKS = 5.0
"""seconds by which a database's clock may be another"""


class FigureTests(StorageTests):
    """What is open, and how late what is due is."""

    async def test_nothing_is_open_or_late_at_first(self, storage: Storage) -> None:
        """And what is not there is left out, or none."""
        assert set((await storage.figures.open_batches()).values()) <= {0}
        assert await storage.figures.late() == {}

    async def test_batches_are_counted_until_they_end(self, storage: Storage) -> None:
        """By the status that they have."""
        statuses = [BatchStatus.VALIDATING, *[BatchStatus.IN_PROGRESS] * 2, BatchStatus.CANCELLING]
        ended = [BatchStatus.COMPLETED, BatchStatus.FAILED, BatchStatus.EXPIRED, BatchStatus.CANCELLED]
        for status in (*statuses, *ended):
            await stored_batch(storage, status=status)
        counted = {status: count for status, count in (await storage.figures.open_batches()).items() if count}
        assert counted == {
            BatchStatus.VALIDATING: 1,
            BatchStatus.IN_PROGRESS: 2,
            BatchStatus.CANCELLING: 1,
        }

    async def test_how_late_the_longest_due_is(self, storage: Storage) -> None:
        """Of each kind of work, at whatever deployment; what is due later does not count."""
        for deployment, state, seconds in (
            ("east", JobState.SUBMITTED, 50),
            ("west", JobState.SUBMITTED, 300),
            ("west", JobState.SUBMITTED, -60),
            (None, JobState.WAITING, 100),
            ("gone", JobState.UNCLEAR, 700),
            ("west", JobState.ENDED, -60),
        ):
            await stored_job(storage, deployment_id=deployment, state=state, next_check_at=ago(seconds))
        await stored_job(storage, state=JobState.SETTLED, next_check_at=None)
        for seconds in (200, 150, -60):
            copy = a_copy(a_file(), state=CopyState.PENDING, next_check_at=ago(seconds))
            await stored_file(storage, copy)
        assert await storage.figures.late() == {
            Work.LOOK: pytest.approx(300, abs=CLOCKS),
            Work.PLACE: pytest.approx(100, abs=CLOCKS),
            Work.SEARCH: pytest.approx(700, abs=CLOCKS),
            None: pytest.approx(200, abs=CLOCKS),
        }

    async def test_what_somebody_works_on_is_not_late(self, storage: Storage) -> None:
        """Not as long as the lease runs."""
        await stored_job(storage, deployment_id="east", state=JobState.SUBMITTED, next_check_at=ago(300))
        await storage.claims.claim_jobs("worker", lease_seconds=60, room=ROOM, work=Work.LOOK)
        await stored_file(storage, a_copy(a_file(), state=CopyState.PENDING, next_check_at=ago(300)))
        await storage.claims.claim_copies("worker", lease_seconds=60, room={"east": 1})
        assert await storage.figures.late() == {}
        await stored_job(storage, deployment_id="east", state=JobState.SUBMITTED, next_check_at=ago(90))
        assert await storage.figures.late() == {Work.LOOK: pytest.approx(90, abs=CLOCKS)}

    async def test_what_sinks_have_not_taken_is_counted(self, storage: Storage) -> None:
        """By sink, pending and dead, with the age of the oldest pending one; all webhooks are one.

        What is held back for an endpoint that is disabled is not pending.
        """
        assert await storage.figures.untold(9) == {WEBHOOKS: Untold(pending=0, dead=0, oldest_seconds=0)}
        batch = await stored_batch(storage)
        made = [an_endpoint(owner=batch.owner) for _ in range(3)]
        for each in made:
            await storage.webhook_endpoints.create(each, most=9)
        log, *endpoints = (
            RegisteredSink(name=name, is_ordered=False) for name in ("log", *(each.id for each in made))
        )
        idle = RegisteredSink(name="idle", is_ordered=True)
        await storage.outbox.register([log])
        events = tuple(an_event(batch, type=WebhookEventType.COMPLETED.value) for _ in range(4))
        await storage.change_batch(batch.id, writing(events=events))
        await storage.outbox.register([idle])
        items = await storage.outbox.claim("worker", log, limit=4, lease_seconds=60)
        await storage.outbox.delivered(items[:1])
        await storage.outbox.failed(log, [_dead(items[1])])
        for endpoint in endpoints:
            [item] = await storage.outbox.claim("worker", endpoint, limit=1, lease_seconds=60)
            await storage.outbox.failed(endpoint, [_dead(item)])
        await storage.webhook_endpoints.change(
            made[-1].id, lambda each: replace(each, disabled_at=each.created_at, disabled_reason="so")
        )
        told = await storage.figures.untold(99)
        assert {name: (each.pending, each.dead) for name, each in told.items()} == {
            "log": (2, 1),
            "idle": (0, 0),
            WEBHOOKS: (6, 3),
        }
        assert (await storage.figures.untold(5))[WEBHOOKS].pending == 5
        assert told["idle"].oldest_seconds == 0
        assert 0 < told["log"].oldest_seconds <= told[WEBHOOKS].oldest_seconds + CLOCKS < 60

    async def test_no_more_is_counted_than_asked_for(self, storage: Storage) -> None:
        """Neither pending nor dead ones; the oldest is told all the same."""
        log = RegisteredSink(name="log", is_ordered=False)
        await storage.outbox.register([log])
        batch = await stored_batch(storage)
        await storage.change_batch(batch.id, writing(events=tuple(an_event(batch) for _ in range(7))))
        items = await storage.outbox.claim("worker", log, limit=3, lease_seconds=60)
        await storage.outbox.failed(log, list(map(_dead, items)))
        told = (await storage.figures.untold(2))["log"]
        assert (told.pending, told.dead) == (2, 2)
        assert told.oldest_seconds > 0

    async def test_figures_want_an_open_storage(self, new_storage: NewStorage) -> None:
        """Raises `StorageUnavailable` otherwise."""
        storage = new_storage()
        untold = partial(storage.figures.untold, 9)
        for figure in (storage.figures.open_batches, storage.figures.late, untold):
            with pytest.raises(StorageUnavailable):
                await figure()


def _dead(item: OutboxItem) -> FailedAttempt:
    return FailedAttempt(delivery=item.delivery, error="no", retry_seconds=None)
