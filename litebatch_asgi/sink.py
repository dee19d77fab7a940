"""The seam to where events are delivered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeAlias

from litebatch_asgi.models import Event

EventHandler: TypeAlias = Callable[[Event], Awaitable[object]]
"""Takes an event; an event that it raises for is given to it again later."""


class Sink(Protocol):
    """Takes events, each at least once.

    What happens is delivered from the moment on at which a process that has the sink is started first, also
    what processes write that do not have it. A package offers one under the entry point group
    `litebatch_asgi.sinks`: something that makes it when it is called without arguments.
    """

    @property
    def name(self) -> str:
        """What it is known by, for ever and in all processes; another name is another sink."""
        ...

    @property
    def is_ordered(self) -> bool:
        """Whether it gets the events of a subject one after another, each once the one before is taken."""
        ...

    async def deliver(self, event: Event) -> None:
        """Take an event. It is cancelled after half of `lease_seconds`; the event is then delivered again.

        Raises `Undeliverable` for an event that it can never take; for whatever else it raises it gets the
        event again after a while.
        """
        ...
