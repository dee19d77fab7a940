"""What ended or was deleted long ago: its rows are removed from the database, a few at a time."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from litebatch_asgi.models.repeats import KEY_LIVES
from litebatch_asgi.pruning import Place, Pruned
from litebatch_asgi.runtime import Runtime

logger: logging.Logger = logging.getLogger(__name__)

EVERY = timedelta(hours=1)
"""From the beginning of a round through all that is old to that of the next."""
_AT_ONCE = 100


class Pruner:
    """Goes through what is older than `keep_ended_days`, in rounds of small steps."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._next_round: datetime | None = None
        self._left: dict[str, Place | None] = {}
        """what this round has still to look at, and where that goes on"""

    async def step(self) -> bool:
        """Remove some of what may go; whether the round goes on."""
        now = self._runtime.now()
        if not self._left and (self._next_round is None or now >= self._next_round):
            self._next_round = now + EVERY
            self._left = {"batches": None, "files": None, "keys": None, "events": None, "uploads": None}
        for kind, after in tuple(self._left.items()):
            pruned = await self._pruned(kind, after, now)
            if pruned.removed:
                logger.info("old rows were removed", extra={"kind": kind, "rows": pruned.removed})
            self._left[kind] = pruned.after
            if pruned.after is None:
                del self._left[kind]
        return bool(self._left)

    async def _pruned(self, kind: str, after: Place | None, now: datetime) -> Pruned:
        pruning = self._runtime.storage.pruning
        before = now - timedelta(days=self._runtime.settings.keep_ended_days)
        if kind == "batches":
            return await pruning.ended_batches(before, after=after, limit=_AT_ONCE)
        if kind == "files":
            return await pruning.deleted_files(before, after=after, limit=_AT_ONCE)
        if kind == "uploads":
            removed = await self._runtime.storage.uploads.remove_ended(before, limit=_AT_ONCE)
        elif kind == "events":
            removed = await pruning.operator_events(before, limit=_AT_ONCE)
        else:
            removed = await pruning.idempotency_keys(now - KEY_LIVES, limit=_AT_ONCE)
        return Pruned(removed=removed, after=Place(at=now, id="") if removed == _AT_ONCE else None)
