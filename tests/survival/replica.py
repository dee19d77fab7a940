"""Gateway processes that can be killed, stopped and started again all the time."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from multiprocessing.context import ForkServerContext, ForkServerProcess

import anyio
import anyio.to_thread
import httpx2
import msgspec
import psutil

from litebatch_asgi.simulator import Simulator
from tests.harness import Gateway
from tests.survival.server import START_SECONDS, is_ready
from tests.survival.serving import Order, obey


class Replica(Gateway):
    """A gateway process among others on one database, to be used as any other gateway."""

    def __init__(self, simulator: Simulator, context: ForkServerContext, order: Order) -> None:
        super().__init__(simulator, f"http://127.0.0.1:{order.port}")
        self.order = order
        self._context = context
        self._process: ForkServerProcess | None = None
        self.serves = False
        """whether it was seen to serve since it was started; it may be stopped or have died again"""

    async def start(self, failpoints: str = "") -> None:
        """Start it, with failpoints armed; if it runs it is killed before."""
        await self.kill()
        order = msgspec.structs.replace(self.order, failpoints=failpoints)
        process = self._context.Process(target=obey, args=(order,), daemon=True)
        self.serves = False
        await anyio.to_thread.run_sync(process.start)
        self._process = process

    async def ready(self) -> bool:
        """Wait until it serves; False if it died before."""
        async with httpx2.AsyncClient(base_url=self.address, verify=False, timeout=2) as http:
            with anyio.fail_after(START_SECONDS):
                while self.is_alive:
                    self.serves = await is_ready(http)
                    if self.serves:
                        return True
                    await anyio.sleep(0.02)
        return False

    async def died_within(self, seconds: float) -> bool:
        """Whether it dies, waiting so long at most."""
        with anyio.move_on_after(seconds):
            await anyio.wait_readable(self.process.sentinel)
        return not self.is_alive

    async def stopped_within(self, seconds: float) -> bool:
        """Whether it stops, or dies, waiting so long at most."""
        with anyio.move_on_after(seconds):
            while self.is_alive and not self._is_stopped():  # noqa: ASYNC110 - another process
                await anyio.sleep(0.02)
        return self._is_stopped()

    def _is_stopped(self) -> bool:
        with suppress(psutil.NoSuchProcess):
            return psutil.Process(self.process.pid).status() == psutil.STATUS_STOPPED
        return False

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, such as SIGSTOP, if it lives."""
        if self.is_alive and self.process.pid is not None:
            os.kill(self.process.pid, number)

    async def kill(self) -> None:
        """End it at once, wherever it is."""
        if self._process is not None:
            self._process.kill()
            await anyio.wait_readable(self._process.sentinel)
            self._process.join()

    async def aclose(self) -> None:
        """Kill it and close the clients."""
        with anyio.CancelScope(shield=True):
            await self.kill()
            await super().aclose()

    @property
    def is_alive(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.is_alive()

    @property
    def last_words(self) -> str:
        """What it printed last."""
        return self.order.log.read_text()[-300:]

    @property
    def exit_code(self) -> int | None:
        """As of `multiprocessing.Process`: -9 if it was killed."""
        return self.process.exitcode

    @property
    def process(self) -> ForkServerProcess:
        """The process, once it was started."""
        assert self._process is not None
        return self._process
