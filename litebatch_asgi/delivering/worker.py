"""Delivering to one sink: many at a time while it takes them, one by one while it does not."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable

import anyio

from litebatch_asgi import tracing
from litebatch_asgi.delivering.retries import Probing, retry_after
from litebatch_asgi.delivering.woken import WokenWorker
from litebatch_asgi.errors import StorageUnavailable, Undeliverable
from litebatch_asgi.failpoints import hit
from litebatch_asgi.models import Event, FailedAttempt, OutboxItem, RegisteredSink
from litebatch_asgi.runtime import Runtime
from litebatch_asgi.sink import Sink

logger: logging.Logger = logging.getLogger(__name__)

PLACES = 100
"""deliveries to one sink that are under way at a time in each process"""
_LONGEST_ERROR = 500
"""characters of an error that are kept"""


class SinkWorker(WokenWorker):
    """Claims what is due for a sink, gives it to it, and writes what came of it."""

    def __init__(self, runtime: Runtime, sink: Sink, registered: RegisteredSink) -> None:
        super().__init__(runtime)
        self._outbox = runtime.storage.outbox
        self._sink = sink
        self._registered = registered
        self._probing = Probing()
        self._under_way: dict[str, OutboxItem] = {}
        self._taken: list[OutboxItem] = []
        self._failed: list[FailedAttempt] = []

    async def _step(self, start: Callable[..., object]) -> int:
        await self._write_outcomes()
        places = self._probing.places(PLACES) - len(self._under_way)
        if places <= 0:
            return 0
        items = await self._outbox.claim(
            self._runtime.worker,
            self._registered,
            limit=places,
            lease_seconds=self._runtime.settings.lease_seconds,
        )
        for item in items:
            is_tried = item.event.id in self._under_way  # past its lease, by a sink that is not to be stopped
            self._under_way[item.event.id] = item
            if not is_tried:
                start(self._attempt, item.event)
        return len(items)

    async def _attempt(self, event: Event) -> None:
        link = event.payload.get("traceparent")
        try:
            with tracing.span("deliver", self._under_way[event.id], link=link) as span:
                error = await self._error_of(event)
                if error is not None:
                    span.failed(error)
        except Exception:  # of a tracer: the event is tried again once its claim has lapsed
            del self._under_way[event.id]
            raise
        item = self._under_way.pop(event.id)  # the newest claim on it
        hit("deliver.taken")
        if error is None:
            self._probing.succeeded()
            self._taken.append(item)
        else:
            self._note_failure(item, error)
        self._wake()

    async def _error_of(self, event: Event) -> BaseException | None:
        """What the sink raised, whatever that is; None: it has taken the event."""
        seconds = self._runtime.settings.delivery_timeout_seconds
        try:
            with anyio.move_on_after(seconds) as limit:
                await self._sink.deliver(event)
            if limit.cancelled_caught:
                return TimeoutError(f"it took more than {seconds:g} seconds")
        except Exception as error:
            return error
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            if anyio.current_effective_deadline() == -math.inf:
                raise
            return error
        return None

    def _note_failure(self, item: OutboxItem, error: BaseException) -> None:
        settings, delivery = self._runtime.settings, item.delivery
        age = (self._runtime.now() - delivery.created_at).total_seconds()
        wait = retry_after(
            delivery.attempts,
            age=age,
            pauses=settings.delivery_retry_seconds,
            give_up=settings.delivery_give_up_seconds,
        )
        if isinstance(error, Undeliverable):
            wait = None
        else:
            self._probing.failed(anyio.current_time())
        told = _told(error)
        self._failed.append(FailedAttempt(delivery=delivery, error=told, retry_seconds=wait))
        logger.warning(
            "an event is not delivered" if wait is not None else "an event is dead: it is not tried again",
            extra={
                "sink": self._sink.name,
                "event_id": item.event.id,
                "event": item.event.type,
                "subject": item.event.subject,
                "attempts": delivery.attempts + 1,
                "retry_seconds": wait,
                "error": told,
            },
        )

    async def _write_outcomes(self) -> None:
        """What cannot be written now is written with the next; after that its claim runs out."""
        taken, failed = self._taken[:], self._failed[:]
        if taken:
            hit("deliver.before_mark")
            await self._outbox.delivered(taken)
            del self._taken[: len(taken)]
        if failed:
            await self._outbox.failed(self._registered, failed)
            del self._failed[: len(failed)]

    async def _hand_back(self) -> None:
        try:
            await self._write_outcomes()
            await self._outbox.give_back(list(self._under_way.values()))
        except StorageUnavailable as error:
            told = {"sink": self._sink.name, "error": str(error)}
            logger.info("claims on deliveries run out by themselves: no database", extra=told)


def _told(error: BaseException) -> str:
    """An error in words that can be kept and shown on a terminal, whatever those of the sink are."""
    name = type(error).__name__
    try:
        told = f"{name}: {error}"
    except Exception:
        told = name
    return "".join(each if each.isprintable() else " " for each in told[:_LONGEST_ERROR])
