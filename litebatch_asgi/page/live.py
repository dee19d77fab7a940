"""Pages that follow what happens: the server sends them anew, as server-sent events, when they have changed.

Source: the HTML standard, "Server-sent events".
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import TypeAlias

import anyio
import msgspec
from starlette.responses import Response, StreamingResponse
from starlette.types import Scope

from litebatch_asgi.page.origin import HEADERS
from litebatch_asgi.routes.endpoint import STOPPING

Render: TypeAlias = Callable[[], Awaitable[str | None]]

INTERVAL_SECONDS = 2.0
"""between two looks"""
STREAM_SECONDS = 10.0
"""how long a stream goes on; then the browser begins another: so long waits a server that stops"""
MOST_STREAMS = 100
"""of a process"""
MOST_OF_ONE = 10
"""of these, of one owner"""
_SHARE = 20
"""a page that takes long to make is made more seldom: this many times as long as it took lies between"""
_TICK_SECONDS = 0.25


class Streams:
    """Counts the streams of a process."""

    def __init__(self) -> None:
        self._open = Counter[str]()

    @contextmanager
    def one(self, owner: str) -> Generator[bool]:
        """Whether there is room for one more of this owner's; it has it while the block lasts."""
        has_room = self._open.total() < MOST_STREAMS and self._open[owner] < MOST_OF_ONE
        self._open[owner] += has_room
        try:
            yield has_room
        finally:
            self._open[owner] -= has_room
            self._open += Counter()  # owners without any are forgotten


def stream(scope: Scope, streams: Streams, owner: str, first: str, render: Render) -> Response:
    """Send a page as events: `first` is what is in its `main` now, `render` makes that anew.

    What is the same as before is not sent. `render` returns None once it is not to be followed any more.
    """
    is_stopping: Callable[[], bool] = scope.get(STOPPING, _never)

    async def events() -> AsyncGenerator[str]:
        with streams.one(owner) as has_room:
            if not has_room:
                yield "retry: 30000\n\n"
                return
            yield f"retry: 250\n{_event('page', first)}"
            last, until = first, time.monotonic() + STREAM_SECONDS
            wait = INTERVAL_SECONDS
            while await _slept(wait, until, is_stopping):
                begun = time.monotonic()
                now = await render()
                if now is None:
                    yield _event("end", "")
                    return
                if now != last:
                    yield _event("page", now)
                    last = now
                wait = max(INTERVAL_SECONDS, (time.monotonic() - begun) * _SHARE)

    return StreamingResponse(events(), media_type="text/event-stream", headers=HEADERS)


def _event(name: str, content: str) -> str:
    return f"event: {name}\ndata: {msgspec.json.encode(content).decode()}\n\n"


async def _slept(seconds: float, until: float, is_stopping: Callable[[], bool]) -> bool:
    """Wait; whether the stream goes on after it."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if is_stopping() or time.monotonic() >= until:
            return False
        await anyio.sleep(min(left, _TICK_SECONDS))
    return not is_stopping()


def _never() -> bool:
    return False
