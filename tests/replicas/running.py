"""`litebatch serve` and `litebatch work` as processes beside each other, on one database."""

from __future__ import annotations

import json
import signal
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import httpx2

from litebatch_asgi.simulator import Simulator, SimulatorSettings
from litebatch_asgi.simulator.faults import CallName, Fault
from tests.cli.processes import Running
from tests.forks import running
from tests.harness import MODEL, SWIFT, UPSTREAM, Gateway

LONG_LEASE = 60.0
"""seconds: what takes a test less has not waited for a lease to run out"""
SERVE = ("serve", "--port", "0")
WORK = ("work",)
_TOLD_LAST = {"serve": "  key", "work": "  database"}
_QUICK: dict[str, Any] = {
    "min_poll_seconds": 0.05,
    "max_poll_seconds": 0.2,
    "refresh_after_seconds": 0.05,
    "place_budget_seconds": 5,
    "adopt_grace_seconds": 0.4,
    "lost_grace_seconds": 0.2,
    "provider_timeout_seconds": 10,
    "lease_seconds": LONG_LEASE,
}


class Replica(Gateway):
    """One process, to be used as any other gateway if it serves."""

    def __init__(self, simulator: Simulator, process: Running, address: str) -> None:
        super().__init__(simulator, address)
        self.process = process

    @property
    def pid(self) -> int:
        """Of the process, not of its workers."""
        return self.process.process.pid

    def log(self, message: str = "") -> list[dict[str, Any]]:
        """The lines that it has logged, of those with this in their message."""
        lines = [json.loads(line) for line in self.process.log.read_text().splitlines() if line[:1] == "{"]
        return [line for line in lines if message in line["message"]]

    @property
    def workers(self) -> list[int]:
        """The processes that it has started so far."""
        return [line["worker"] for line in self.log("worker started")]

    async def served_by(self, count: int) -> set[int]:
        """Ask, on a connection of its own each time, until so many workers have answered; those that have."""
        workers: set[int] = set()

        async def all_have() -> bool:
            async with self.http() as http:
                await http.get("/models")
            lines = self.log("request")
            workers.update(line["worker"] for line in lines if line["logger"] == "litebatch_asgi.access")
            return len(workers) >= count

        await self.eventually(all_have)
        return workers

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.process.send_signal(number)

    async def refused(self) -> None:
        """Wait until it takes no connections any more."""

        async def is_refused() -> bool:
            try:
                async with self.http() as http:
                    await http.get("/models")
            except httpx2.TransportError as error:
                return isinstance(error, httpx2.ConnectError)
            return False

        await self.eventually(is_refused)

    async def exit_code(self) -> int:
        """Wait until it has ended."""
        return await anyio.to_thread.run_sync(self.process.process.wait, 30)

    async def stop(self) -> int:
        """Tell it to stop, and wait until it has; its exit code."""
        self.signal(signal.SIGTERM)
        return await self.exit_code()


class Site:
    """A simulated provider and a database, for replicas to be started on."""

    def __init__(self, folder: Path, simulator: Simulator, provider: str, database_url: str) -> None:
        self.simulator = simulator
        self._folder = folder
        self._provider = provider
        self._database_url = database_url
        self._stack = AsyncExitStack()
        self._processes = ExitStack()
        self._count = 0

    async def replica(self, *arguments: str, **settings: Any) -> Replica:
        """Start one, by the command's `arguments`, and wait until it says that it runs."""
        self._count += 1
        folder = self._folder / f"replica-{self._count}"
        folder.mkdir()
        (folder / "litebatch.yaml").write_text(json.dumps(self._config(folder, settings)))
        command = arguments or SERVE
        process = await anyio.to_thread.run_sync(
            self._processes.enter_context,
            running(*command, "--config", "litebatch.yaml", cwd=folder, until=_TOLD_LAST[command[0]]),
        )
        address = process.address if command[0] == "serve" else ""
        replica = Replica(self.simulator, process, address)
        self._stack.push_async_callback(replica.aclose)
        return replica

    async def aclose(self) -> None:
        """Kill those that still run."""
        await self._stack.aclose()
        await anyio.to_thread.run_sync(partial(self._processes.close), abandon_on_cancel=False)

    def _config(self, folder: Path, settings: dict[str, Any]) -> dict[str, Any]:
        return {
            "model_list": [
                {
                    "model_name": MODEL,
                    "params": {
                        "model": f"openai/{upstream}",
                        "api_base": f"{self._provider}/{name}/v1",
                        "api_key": f"sk-{name}",
                    },
                    "model_info": {"id": name, "mode": "batch"},
                }
                for name, upstream in UPSTREAM.items()
            ],
            "general_settings": {"database_url": self._database_url},
            "litebatch_settings": _QUICK | {"spool_dir": str(folder)} | settings,
        }


@asynccontextmanager
async def site(folder: Path, database_url: str, settings: SimulatorSettings = SWIFT) -> AsyncGenerator[Site]:
    """A site whose replicas are gone with the block."""
    simulator = Simulator(settings=settings)
    async with simulator.running() as provider:
        running_here = Site(folder, simulator, provider, database_url)
        try:
            yield running_here
        finally:
            with anyio.CancelScope(shield=True):
                await running_here.aclose()


def stalled(call: CallName, **where: Any) -> Fault:
    """What keeps a call of the provider from being answered, until it is removed."""
    return Fault(call=call, stall=True, times=None, **where)
