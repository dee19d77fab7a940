"""What is open, and how late what is due is."""

from __future__ import annotations

import pytest

from litebatch_asgi.errors import StorageUnavailable
from litebatch_asgi.models import BatchStatus, CopyState, JobState, Work
from litebatch_asgi.storage import Storage
from litebatch_asgi.testing.conformance.base import (
    NewStorage,
    StorageTests,
    stored_batch,
    stored_file,
    stored_job,
)
from litebatch_asgi.testing.conformance.claims import ROOM, ago
from litebatch_asgi.testing.samples import a_copy, a_file

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

    async def test_figures_want_an_open_storage(self, new_storage: NewStorage) -> None:
        """Raises `StorageUnavailable` otherwise."""
        storage = new_storage()
        for figure in (storage.figures.open_batches, storage.figures.late):
            with pytest.raises(StorageUnavailable):
                await figure()
