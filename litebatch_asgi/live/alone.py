"""Alone: requests that may have killed their server run with nothing beside them, in any process."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import anyio

from litebatch_asgi.errors import StorageUnavailable
from litebatch_asgi.live.held import HeldRange, PendingLine
from litebatch_asgi.runtime import Runtime

logger: logging.Logger = logging.getLogger(__name__)

_Suspect: TypeAlias = tuple[HeldRange, PendingLine]


class Alone:
    """The requests of one deployment that are to run alone, and whether they may now.

    Args:
        seconds: for which the deployment is asked for at a time.
        changed: is called when there is news.

    """

    def __init__(
        self, runtime: Runtime, deployment_id: str, *, seconds: float, changed: Callable[[], None]
    ) -> None:
        self._runtime = runtime
        self._deployment_id = deployment_id
        self._seconds = seconds
        self._changed = changed
        self._suspects: deque[_Suspect] = deque()
        self._runs_until = 0.0
        self._is_asking = False
        self.is_elsewhere: bool = False
        """whether another process wants the deployment for itself"""

    @property
    def is_wanted(self) -> bool:
        """Whether requests are to run alone."""
        while self._suspects and self._suspects[0][0].is_lost:
            self._suspects.popleft()
        return bool(self._suspects)

    def add(self, held: HeldRange, pending: PendingLine) -> None:
        """A request is to run alone."""
        self._suspects.append((held, pending))

    def take(self, start: Callable[..., object], now: float, seconds: float) -> _Suspect | None:
        """The next one, if the deployment is ours for so many seconds; else it is asked for."""
        if self._runs_until - now < seconds:
            self._ask(start, self._take)
            return None
        return self._suspects.popleft()

    def give_back(self, start: Callable[..., object]) -> None:
        """Let others go on, once nothing is to run alone any more."""
        if self._runs_until and not self._suspects:
            self._ask(start, self._end)

    def _ask(self, start: Callable[..., object], call: Callable[[], Awaitable[None]]) -> None:
        if not self._is_asking:
            self._is_asking = True
            start(self._asked, call)

    async def _asked(self, call: Callable[[], Awaitable[None]]) -> None:
        try:
            await call()
        except StorageUnavailable as error:
            told = {"deployment": self._deployment_id, "error": str(error)}
            logger.warning("requests that are to run alone wait: no database", extra=told)
            await anyio.sleep(1)
        finally:
            self._is_asking = False
            self._changed()

    async def _take(self) -> None:
        asked = anyio.current_time()
        lines, worker = self._runtime.storage.lines, self._runtime.worker
        if await lines.take_alone(self._deployment_id, worker, lease_seconds=self._seconds):
            if not self._runs_until:
                told = {"deployment": self._deployment_id, "requests": len(self._suspects)}
                logger.warning("requests that may have killed the server run alone", extra=told)
            self._runs_until = asked + self._seconds
        else:
            self.is_elsewhere = True

    async def _end(self) -> None:
        await self._runtime.storage.lines.end_alone(self._deployment_id, self._runtime.worker)
        self._runs_until = 0.0
