"""What all workers of the outbox do: look for what is due, now and then or when they are woken."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial

import anyio

from litebatch_asgi.leases import GIVE_BACK_SECONDS
from litebatch_asgi.loops import beside, for_ever, scattered
from litebatch_asgi.runtime import Runtime

LONGEST_PAUSE = 1.0
"""seconds between two looks for what is due when nobody wakes the worker"""


class WokenWorker(ABC):
    """Claims what is due and begins attempts, until it is cancelled."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._woken = anyio.Event()
        runtime.when_events_are_written(self._wake)

    async def run(self) -> None:
        """Go on until cancelled; what is under way then is given back, what is done is written."""
        try:
            async with anyio.create_task_group() as group:
                await for_ever(partial(self._look, beside(group)), self._rest)
        finally:
            with anyio.move_on_after(GIVE_BACK_SECONDS, shield=True):
                await self._hand_back()

    @abstractmethod
    async def _step(self, start: Callable[..., object]) -> int:
        """Write what is done, claim what is due and `start` to attempt it; how much there was."""

    @abstractmethod
    async def _hand_back(self) -> None:
        """Write what is done, and give back what is under way."""

    async def _look(self, start: Callable[..., object]) -> int:
        self._woken = anyio.Event()
        return await self._step(start)

    def _wake(self) -> None:
        self._woken.set()

    async def _rest(self) -> None:
        with anyio.move_on_after(scattered(LONGEST_PAUSE)):
            await self._woken.wait()
