"""Sinks of tests: what they get, and how they misbehave."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio

from litebatch_asgi import Event
from litebatch_asgi.storage import Storage
from tests.harness import PATIENCE_SECONDS


class Recorder:
    """An ordered sink that keeps what it takes; `first` is called with each event before, and may raise."""

    is_ordered: bool = True

    def __init__(
        self, name: str = "recorder", first: Callable[[Event], Awaitable[object]] | None = None
    ) -> None:
        self.name: str = name
        self.events: list[Event] = []
        self._first = first
        self._came = anyio.Event()

    async def deliver(self, event: Event) -> None:
        """See `Sink.deliver`."""
        if self._first is not None:
            await self._first(event)
        self.events.append(event)
        self._came.set()

    def types(self, subject: str) -> list[str]:
        """What has happened to a subject, each once, in the order in which it came first."""
        return list(dict.fromkeys(event.type for event in self.events if event.subject == subject))

    def numbers(self, subject: str) -> list[int]:
        """The numbers of its events, in the order in which they came, the doubles as well."""
        return [event.seq for event in self.events if event.subject == subject]

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until what has come fulfils a condition."""
        with anyio.fail_after(PATIENCE_SECONDS):
            while not holds():
                await self._came.wait()
                self._came = anyio.Event()


async def until_told(storage: Storage) -> None:
    """Wait until nothing is left to deliver."""
    with anyio.fail_after(PATIENCE_SECONDS):
        while any(each.pending for each in await storage.outbox.backlog()):  # noqa: ASYNC110
            await anyio.sleep(0.02)
