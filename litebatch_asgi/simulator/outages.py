"""Servers that are down, and up again."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Coroutine
from typing import Any

from .downtime import Downtime
from .serving import Connection, Listener


class Outages:
    """What is down: single accounts, or the listeners. For one event loop.

    `start` lets a task run until the simulator stops.
    """

    def __init__(self, start: Callable[[Coroutine[Any, Any, None]], None]) -> None:
        self.listeners: set[Listener] = set()
        self._start = start
        self._accounts: dict[str, float] = {}
        """monotonic seconds until which they are down"""
        self._until = 0.0
        """the same for the listeners"""

    def is_down(self, account: str) -> bool:
        """Whether requests to this account are to be cut."""
        return account in self._accounts and self._accounts[account] > time.monotonic()

    async def begin(self, downtime: Downtime, account: str) -> None:
        """Let a server go down, for longer if it is so already. Raises RuntimeError if nothing listens."""
        if not self.listeners:
            raise RuntimeError("the simulator can go down only when served by running() or run()")
        end = math.inf if downtime.seconds is None else time.monotonic() + downtime.seconds
        if downtime.how == "cut_at_request":
            self._accounts[account] = max(end, self._accounts.get(account, 0.0))
            self._cut(lambda connection: connection.account == account)
            return
        self._until = max(end, self._until)
        for listener in self.listeners:
            await listener.refuse(accepting=downtime.how == "cut_at_accept")
        self._cut(lambda connection: not connection.is_steering)
        if downtime.seconds is not None:
            self._start(self._wait(downtime.seconds))

    async def end(self, account: str | None = None) -> None:
        """Let the listeners and an account, None being all, be up again."""
        if account is None:
            self._accounts.clear()
        else:
            self._accounts.pop(account, None)
        self._until = 0.0
        for listener in self.listeners:
            await listener.accept()

    async def _wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        if self._until <= time.monotonic():
            for listener in self.listeners:
                await listener.accept()

    def _cut(self, chosen: Callable[[Connection], bool]) -> None:
        for listener in self.listeners:
            for connection in listener.connections():
                if chosen(connection):
                    connection.cut(flush=False)
