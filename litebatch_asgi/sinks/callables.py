"""A callable of the host as a sink."""

from __future__ import annotations

from inspect import isawaitable

from litebatch_asgi.errors import ConfigError, Undeliverable
from litebatch_asgi.models import Event
from litebatch_asgi.sink import EventHandler


class CallableSink:
    """Gives events to an async callable, those of a subject in order unless told otherwise.

    Its name is the callable's, `module:qualified_name`, or another one that is given. Raises `ConfigError` if
    it has none.
    """

    def __init__(self, handler: EventHandler, *, name: str | None = None, is_ordered: bool = True) -> None:
        self._handler = handler
        self.name: str = name or _name_of(handler)
        self.is_ordered: bool = is_ordered

    async def deliver(self, event: Event) -> None:
        """See `Sink.deliver`. What is not async has run once, and is not to run for each other try too."""
        answer: object = self._handler(event)
        if not isawaitable(answer):
            raise Undeliverable(f"{self.name} is not async: it was called, and there is nothing to await")
        await answer


def _name_of(handler: EventHandler) -> str:
    name = getattr(handler, "__qualname__", None)
    if name is None or "<lambda>" in name:
        raise ConfigError(f"the sink {handler!r} has no name: give it one by CallableSink(f, name=...)")
    return f"{handler.__module__}:{name}"
