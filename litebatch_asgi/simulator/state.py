"""All that a simulator keeps: its accounts, the journal, the faults, and whether it is closing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from .account import Account
from .disk import Disk
from .downtime import Downtime
from .fault_book import FaultBook
from .faults import ArmedFault, Fault
from .inference_server import InferenceServer
from .job_records import JobRecord, records_of
from .journal import Journal
from .json_values import JSON
from .lines_run import LinesRun
from .outages import Outages
from .request_journal import RequestJournal
from .service_accounts import service_account
from .settings import SimulatorSettings
from .summary import Summary, summarize
from .wakeup import Wakeup


class SimulatorState:
    """Any number of accounts, made on first use, with one journal and one book of faults.

    `directory` is where files are kept (default: a temporary folder, removed at the end); `settings` are
    those of accounts that have not been configured. Everything belongs to the event loop of `open`.
    """

    def __init__(self, directory: Path | None = None, settings: SimulatorSettings | None = None) -> None:
        self.settings: SimulatorSettings = settings or SimulatorSettings()
        self.wakeup: Wakeup = Wakeup()
        self.journal: Journal = Journal(self.wakeup)
        self.requests: RequestJournal = RequestJournal(self.wakeup)
        """what inference servers received"""
        self.faults: FaultBook = FaultBook(self.wakeup)
        self.outages: Outages = Outages(self._start)
        self.closing: bool = False
        self._disk = Disk(directory)
        self._lines_run = LinesRun()
        self._accounts: dict[str, Account] = {}
        self._inference_servers: dict[str, InferenceServer] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def accounts(self) -> Mapping[str, Account]:
        """All accounts by name."""
        return self._accounts

    def account(self, name: str = "default") -> Account:
        """The account of this name; `default` is at `/v1` or `/openai`, any other below `/name`."""
        if name not in self._accounts:
            self._accounts[name] = Account(
                name, self.settings, self._disk, self.wakeup, self.faults, self._lines_run, self._start
            )
        return self._accounts[name]

    async def service_account(
        self, address: str, account: str = "default", project: str = "simulator"
    ) -> JSON:
        """The JSON of a service account that gets tokens from an account of this simulator, at `address`."""
        token_uri = f"{address}/token" if account == "default" else f"{address}/{account}/token"
        return await self._disk.run(service_account, account, token_uri, project)

    def settings_of(self, name: str) -> SimulatorSettings:
        """The settings of an account, or those that it would have."""
        account = self._accounts.get(name)
        return self.settings if account is None else account.settings

    def inference_server(self, name: str = "default") -> InferenceServer:
        """What requests to an account of the flavour `vllm` share."""
        if name not in self._inference_servers:
            self._inference_servers[name] = InferenceServer(self.account(name), self.requests, self.outages)
        return self._inference_servers[name]

    def add_fault(self, fault: Fault) -> ArmedFault:
        """Put `fault` in force; the answer tells how often it struck."""
        return self.faults.add(fault)

    def remove_fault(self, armed: ArmedFault) -> None:
        """Take a fault out of force; calls that it stalls go on."""
        self.faults.remove(armed.key)

    async def go_down(self, downtime: Downtime | None = None, account: str = "default") -> None:
        """Go down as a killed process does; the account is that of what is `cut_at_request`.

        Raises RuntimeError unless `running` is in progress.
        """
        await self.outages.begin(downtime or Downtime(), account)

    async def come_up(self) -> None:
        """Be up again."""
        await self.outages.end()

    def summary(self, tag: str = "litebatch_job") -> Summary:
        """All batch inputs by filename, all batches by what their metadata has under `tag`."""
        return summarize(self._accounts.values(), tag)

    async def jobs(self) -> list[JobRecord]:
        """All batches of all accounts, deleted ones too, with the lines that each could run, and when."""
        accounts = list(self._accounts.values())
        return [record for account in accounts for record in await records_of(account)]

    async def until(self, holds: Callable[[], bool]) -> None:
        """Return as soon as `holds()` is true, looking again at every call and change of status."""
        await self.wakeup.until(holds)

    async def reset(self) -> None:
        """Forget all accounts, faults and the journals."""
        await self._stop_tasks()
        await self.outages.end()
        self.faults.clear()
        self._accounts.clear()
        self._inference_servers.clear()
        self._lines_run.clear()
        self.journal.clear()
        self.requests.clear()

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None]:
        """What batches and uploads need; `running` and the app's lifespan enter it by themselves."""
        self.closing = False
        await self._disk.open()
        try:
            yield
        finally:
            self.close()
            await self._stop_tasks()
            await self._disk.close()

    def close(self) -> None:
        """Let all calls that wait for something end."""
        self.closing = True
        self.wakeup.notify()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _stop_tasks(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
