"""Answered: whether the answers to creates were sent, written together while the database is busy."""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from litebatch_asgi.failpoints import passing
from litebatch_asgi.models import BatchChange, BatchState
from litebatch_asgi.runtime import Runtime


class AnsweredBatches:
    """Notes, in the background, which creates were answered: only retries of others get the same batch."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._noted: dict[str, datetime | None] = {}
        """by batch; when its answer was sent, None: it could not be"""
        self._is_writing = False

    def note(self, batch_id: str, *, was_sent: bool) -> None:
        """The create of a batch was answered, or its client was gone."""
        self._noted[batch_id] = self._runtime.now() if was_sent else None
        self._begin()

    def _begin(self) -> None:
        if self._noted and not self._is_writing:
            self._is_writing = True
            self._runtime.start(self._write)

    async def _write(self) -> None:
        """Write what is noted, then what is noted meanwhile. What cannot be written is forgotten."""
        noted, self._noted = self._noted, {}

        def decide(current: BatchState) -> BatchChange:
            answered_at = noted[current.batch.id] or current.batch.answered_at
            batch = replace(current.batch, answered_at=answered_at, answering_until=None)
            return BatchChange(batch=batch)

        try:
            await passing("answered.noting")
            await self._runtime.storage.change_batches(noted, decide)
        finally:
            self._is_writing = False
            self._begin()
