"""The simulator: its state, and the app in front of it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import Mount

from .control import Control
from .faults import Fault
from .inference_app import InferenceMiddleware
from .routing import account_routes, http_error
from .serving import listening, loop_factory
from .settings import SimulatorSettings
from .state import SimulatorState


class Simulator(SimulatorState):
    """Any number of provider accounts in one process, served over HTTP.

    `directory` is where files are kept (default: a temporary folder, removed at the end); `settings` are
    those of accounts that have not been configured. Everything belongs to the event loop of `running`.
    """

    def __init__(self, directory: Path | None = None, settings: SimulatorSettings | None = None) -> None:
        super().__init__(directory, settings)
        self.app: Starlette = self._make_app()

    @asynccontextmanager
    async def running(self, host: str = "127.0.0.1", port: int = 0) -> AsyncGenerator[str]:
        """Serve on a socket; yields the address, such as `http://127.0.0.1:9000`, 0 taking a free port."""
        async with self.open(), listening(self.app, host, port) as (address, listener):
            self.outages.listeners.add(listener)
            try:
                yield address
            finally:
                self.close()
                self.outages.listeners.discard(listener)

    def _make_app(self) -> Starlette:
        return Starlette(
            routes=[
                Mount("/_simulator", routes=Control(self).routes()),
                *account_routes(self),
            ],
            middleware=[Middleware(InferenceMiddleware, simulator=self)],
            exception_handlers={HTTPException: partial(http_error, self)},
            lifespan=self._lifespan,
        )

    @asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncGenerator[None]:
        async with self.open():
            yield


def run(
    host: str = "127.0.0.1",
    port: int = 9000,
    *,
    directory: Path | None = None,
    settings: SimulatorSettings | None = None,
    faults: Sequence[Fault] = (),
    started: Callable[[str], None] | None = None,
    stopping: Callable[[], None] | None = None,
) -> None:
    """Serve a simulator until SIGINT or SIGTERM; another one of them has its usual effect.

    `started` is called with its address, `stopping` once a signal has come.

    Raises OSError if the port is taken.
    """
    simulator = Simulator(directory, settings)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_run(simulator, host, port, faults, started or print, stopping or _nothing))


async def _run(
    simulator: Simulator,
    host: str,
    port: int,
    faults: Sequence[Fault],
    started: Callable[[str], None],
    stopping: Callable[[], None],
) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    for fault in faults:
        simulator.add_fault(fault)
    async with simulator.running(host, port) as address:
        started(address)
        await stop.wait()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
        stopping()


def _nothing() -> None:
    """What is done where nobody is to be told."""
