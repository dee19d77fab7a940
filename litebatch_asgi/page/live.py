"""Pages that follow what happens: the server sends them anew, as server-sent events, when they have changed.

Source: the HTML standard, "Server-sent events".
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import TypeAlias

import anyio
import msgspec
from starlette.responses import StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from litebatch_asgi.routes.endpoint import STOPPING

logger: logging.Logger = logging.getLogger("litebatch_asgi.page")

Render: TypeAlias = Callable[[], Awaitable[str | None]]

INTERVAL_SECONDS = 2.0
"""between two looks"""
STREAM_SECONDS = 10.0
"""how long a stream goes on; then the browser begins another: so long waits a server that stops"""
MOST_STREAMS = 100
"""of a process"""
MOST_OF_ONE = 10
"""of these, of one owner, as long as half of them are free"""
FEW_OF_ONE = 2
"""of one owner after that"""
_CUT_SECONDS = 3 * STREAM_SECONDS
"""after which a stream is cut that does not end: nobody reads it, or the page takes that long to make"""
_SHARE = 20
"""a page that takes long to make is made more seldom: this many times as long as it took lies between"""
_TICK_SECONDS = 0.25
_NO_ROOM = "retry: 30000\n\n"


class Streams:
    """Counts the streams of a process."""

    def __init__(self) -> None:
        self._open = Counter[str]()

    @contextmanager
    def one(self, owner: str) -> Generator[bool]:
        """Whether there is room for one more of this owner's; it has it while the block lasts."""
        total = self._open.total()
        most = MOST_OF_ONE if total < MOST_STREAMS // 2 else FEW_OF_ONE
        has_room = total < MOST_STREAMS and self._open[owner] < most
        self._open[owner] += has_room
        try:
            yield has_room
        finally:
            self._open[owner] -= has_room
            self._open += Counter()  # owners without any are forgotten


def stream(scope: Scope, streams: Streams, owner: str, first: str, render: Render) -> ASGIApp:
    """Send a page as events: `first` is what is in its `main` now, `render` makes that anew.

    What is the same as before is not sent. `render` returns None once it is not to be followed any more.
    """
    is_stopping: Callable[[], bool] = scope.get(STOPPING, _never)

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        with streams.one(owner) as has_room, anyio.move_on_after(_CUT_SECONDS):
            events = _events(first, render, is_stopping) if has_room else _no_room()
            await StreamingResponse(events, media_type="text/event-stream")(scope, receive, send)

    return answer


async def _events(first: str, render: Render, is_stopping: Callable[[], bool]) -> AsyncGenerator[str]:
    yield f"retry: 250\n{_event('page', first)}"
    last, until = first, time.monotonic() + STREAM_SECONDS
    wait = INTERVAL_SECONDS
    while await _slept(wait, until, is_stopping):
        begun = time.monotonic()
        try:
            now = await render()
        except Exception as error:
            logger.warning("a page that is looked at could not be made anew: %r", error)
            return  # the browser asks again, and gets what is wrong as an answer
        if now is None:
            yield _event("end", "")
            return
        if now != last:
            yield _event("page", now)
            last = now
        wait = max(INTERVAL_SECONDS, (time.monotonic() - begun) * _SHARE)


async def _no_room() -> AsyncGenerator[str]:
    yield _NO_ROOM


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
