"""Answers that nobody reads: without a limit each holds its connection, and what it is read from."""

from __future__ import annotations

import asyncio

UNREAD_SECONDS = 300.0
"""in which a client has to take something. A system may tell of that once for every few megabytes only: even
those who read a few kilobytes a second are seen to read in time."""


class ReadAnswers(asyncio.Protocol):
    """Mixin for uvicorn's protocols: cuts a connection whose client takes nothing of what waits for it."""

    unread_seconds = UNREAD_SECONDS
    transport: asyncio.Transport
    loop: asyncio.AbstractEventLoop
    _look: asyncio.TimerHandle | None = None

    def pause_writing(self) -> None:
        """More waits for the client than is to be kept."""
        super().pause_writing()
        self._watch()

    def resume_writing(self) -> None:
        """The client has taken most of it."""
        self._leave()
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection; it stays open as long as something waits."""
        super().timeout_keep_alive_handler()  # type: ignore[misc]
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has ended."""
        self._leave()
        super().connection_lost(exc)

    def _watch(self) -> None:
        waiting = self.transport.get_write_buffer_size()
        if waiting and self._look is None:
            self._look = self.loop.call_later(self.unread_seconds, self._look_again, waiting)

    def _look_again(self, before: int) -> None:
        self._look = None
        if self.transport.get_write_buffer_size() < before:
            self._watch()
        else:
            self.transport.abort()

    def _leave(self) -> None:
        if self._look is not None:
            self._look.cancel()
            self._look = None
