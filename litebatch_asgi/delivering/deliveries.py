"""All the sinks of a process, each delivered to for itself; those that nobody has any more are forgotten."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta
from functools import partial

import anyio

from litebatch_asgi.delivering.retries import FAILURES
from litebatch_asgi.delivering.webhooks import WebhookWorker
from litebatch_asgi.delivering.worker import SinkWorker
from litebatch_asgi.failpoints import hit
from litebatch_asgi.loops import for_ever, sleep_scattered
from litebatch_asgi.models import RegisteredSink
from litebatch_asgi.runtime import Runtime
from litebatch_asgi.sink import Sink

logger: logging.Logger = logging.getLogger(__name__)

TEND_SECONDS = 300.0
"""between two times that the sinks are said to be still there"""
START_SECONDS = 120.0
"""for which a process lets others begin to send webhooks before it gives any up"""
IDLE_SECONDS = 3600.0
"""without an attempt, after which webhooks to an endpoint may be given up"""
_SHORTEST_RETENTION = timedelta(seconds=4 * TEND_SECONDS)
"""of a sink, whatever is set: some process has it, and is between two times"""
_REMOVED_AT_ONCE = 1000


class Deliveries:
    """One worker a sink, so that none delays another, and one for webhooks where they can be signed."""

    def __init__(
        self, runtime: Runtime, sinks: Sequence[Sink], webhooks: WebhookWorker | None = None
    ) -> None:
        self._runtime = runtime
        self._webhooks = webhooks
        self._give_up_from = anyio.current_time() + START_SECONDS
        self._registered = {
            sink.name: RegisteredSink(name=sink.name, is_ordered=sink.is_ordered) for sink in sinks
        }
        self._workers = [SinkWorker(runtime, sink, self._registered[sink.name]) for sink in sinks]

    async def register(self) -> None:
        """Say that the sinks are there: what happens from now on is for them. Raises `StorageUnavailable`."""
        if self._registered:
            await self._runtime.storage.outbox.register(self._registered.values())

    async def run(self) -> None:
        """Deliver until cancelled; what is under way then is given back."""
        hit("deliveries.begin")
        async with anyio.create_task_group() as group:
            for worker in self._workers:
                group.start_soon(worker.run)
            if self._webhooks is not None:
                group.start_soon(self._webhooks.run)
            await for_ever(self._tend, partial(sleep_scattered, TEND_SECONDS))

    async def _tend(self) -> bool:
        """Whether there may be more to remove."""
        await self.register()
        retention = max(timedelta(days=self._runtime.settings.keep_ended_days), _SHORTEST_RETENTION)
        before = self._runtime.now() - retention
        removed = await self._runtime.storage.outbox.remove_unseen(before, limit=_REMOVED_AT_ONCE)
        if removed:
            logger.info("deliveries to sinks that nobody has were removed", extra={"rows": removed})
        expired = await self._give_webhooks_up()
        return removed == _REMOVED_AT_ONCE or expired == _REMOVED_AT_ONCE

    async def _give_webhooks_up(self) -> int:
        """Let webhooks be dead that nobody sends. Not at once: perhaps no process was there for days."""
        if anyio.current_time() < self._give_up_from:
            return 0
        give_up = self._runtime.settings.delivery_give_up_seconds
        expired = await self._runtime.storage.webhook_queue.expire(
            give_up, failing=FAILURES, idle_seconds=min(give_up, IDLE_SECONDS), limit=_REMOVED_AT_ONCE
        )
        if expired:
            logger.info("webhooks are dead that could not be sent for too long", extra={"rows": expired})
        return expired
