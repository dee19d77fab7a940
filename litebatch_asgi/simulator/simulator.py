"""The simulator: accounts, journal, faults, and the app in front of them."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Mount

from .account import Account
from .control import Control
from .disk import Disk
from .faults import ArmedFault, Fault, FaultBook
from .journal import Journal
from .routing import account_routes, http_error
from .serving import listening
from .settings import SimulatorSettings
from .summary import Summary, summarize
from .wakeup import Wakeup


class Simulator:
    """Any number of provider accounts in one process, made on first use.

    `directory` is where files are kept (default: a temporary folder, removed at the end); `settings` are
    those of accounts that have not been configured. Everything lives in the event loop of `running`.
    """

    def __init__(self, directory: Path | None = None, settings: SimulatorSettings | None = None) -> None:
        self.settings: SimulatorSettings = settings or SimulatorSettings()
        self.wakeup: Wakeup = Wakeup()
        self.journal: Journal = Journal(self.wakeup)
        self.faults: FaultBook = FaultBook(self.wakeup)
        self.closing: bool = False
        self._disk = Disk(directory)
        self._accounts: dict[str, Account] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.app: Starlette = self._make_app()

    @property
    def accounts(self) -> Mapping[str, Account]:
        """All accounts by name."""
        return self._accounts

    def account(self, name: str = "default") -> Account:
        """The account of this name; `default` is at `/v1` or `/openai`, any other below `/name`."""
        if name not in self._accounts:
            self._accounts[name] = Account(
                name, self.settings, self._disk, self.wakeup, self.faults, self._start
            )
        return self._accounts[name]

    def settings_of(self, name: str) -> SimulatorSettings:
        """The settings of an account, or those that it would have."""
        account = self._accounts.get(name)
        return self.settings if account is None else account.settings

    def add_fault(self, fault: Fault) -> ArmedFault:
        """Put `fault` in force; the answer tells how often it struck."""
        return self.faults.add(fault)

    def remove_fault(self, armed: ArmedFault) -> None:
        """Take a fault out of force; calls that it stalls go on."""
        self.faults.remove(armed.key)

    def summary(self, tag: str = "litebatch_job") -> Summary:
        """All batch inputs by filename, all batches by what their metadata has under `tag`."""
        return summarize(self._accounts.values(), tag)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Return as soon as `holds()` is true, looking again at every call and change of status."""
        await self.wakeup.until(holds)

    async def reset(self) -> None:
        """Forget all accounts, faults and the journal."""
        await self._stop_batches()
        self.faults.remove()
        self._accounts.clear()
        self.journal.clear()

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None]:
        """What batches and uploads need; `running` and the app's lifespan enter it by themselves."""
        self.closing = False
        await self._disk.open()
        try:
            yield
        finally:
            self.closing = True
            self.wakeup.notify()
            await self._stop_batches()
            await self._disk.close()

    @asynccontextmanager
    async def running(self, host: str = "127.0.0.1", port: int = 0) -> AsyncGenerator[str]:
        """Serve on a socket; yields the address, such as `http://127.0.0.1:9000`, 0 taking a free port."""
        async with self.open(), listening(self.app, host, port) as address:
            try:
                yield address
            finally:
                self.closing = True
                self.wakeup.notify()

    def _make_app(self) -> Starlette:
        return Starlette(
            routes=[
                Mount("/_simulator", routes=Control(self).routes()),
                *account_routes(self),
            ],
            exception_handlers={HTTPException: partial(http_error, self)},
            lifespan=self._lifespan,
        )

    @asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncGenerator[None]:
        async with self.open():
            yield

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _stop_batches(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def run(
    host: str = "127.0.0.1",
    port: int = 9000,
    *,
    directory: Path | None = None,
    settings: SimulatorSettings | None = None,
    faults: Sequence[Fault] = (),
    started: Callable[[str], None] | None = None,
) -> None:
    """Serve a simulator until SIGINT or SIGTERM; `started` is called with its address.

    Raises OSError if the port is taken.
    """
    asyncio.run(_run(Simulator(directory, settings), host, port, faults, started or print))


async def _run(
    simulator: Simulator,
    host: str,
    port: int,
    faults: Sequence[Fault],
    started: Callable[[str], None],
) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    for fault in faults:
        simulator.add_fault(fault)
    async with simulator.running(host, port) as address:
        started(address)
        await stop.wait()
