"""Real gateway processes that can be killed and started again."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import anyio
import httpx2

from litebatch_asgi.simulator import Simulator, SimulatorSettings
from tests.database import Database, SQLiteDatabase
from tests.harness import MODEL, SWIFT, UPSTREAM, Gateway

KEY = "sk-master"
START_SECONDS = 20.0
PORTS = (10_000, 32_000)
"""below those that systems take for outgoing connections"""
LEASE_SECONDS = 1.0
QUICK: dict[str, Any] = {
    "min_poll_seconds": 0.02,
    "max_poll_seconds": 0.2,
    "refresh_after_seconds": 0.05,
    "adopt_grace_seconds": 0.5,
    "lost_grace_seconds": 0.2,
    "lease_seconds": LEASE_SECONDS,
    "provider_timeout_seconds": 2,
}


def free_port() -> int:
    """A port that nobody listens on now, and that no outgoing connection gets while its server is down."""
    while True:
        port = random.randrange(*PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def configure(
    folder: Path, provider: str, database_url: str, *, master_key: str | None = KEY, **settings: Any
) -> Path:
    """Write the configuration of a gateway over both deployments, and return its path.

    Without a master key any bearer token is an owner.
    """
    config = {
        "model_list": [
            {
                "model_name": MODEL,
                "params": {
                    "model": f"openai/{upstream}",
                    "api_base": f"{provider}/{name}/v1",
                    "api_key": f"sk-{name}",
                },
                "model_info": {"id": name, "mode": "batch"},
            }
            for name, upstream in UPSTREAM.items()
        ],
        "general_settings": {"master_key": master_key, "database_url": database_url},
        "litebatch_settings": QUICK | {"spool_dir": str(folder)} | settings,
    }
    path = folder / "litebatch.yaml"
    path.write_text(json.dumps(config))  # JSON is YAML
    return path


async def is_ready(http: httpx2.AsyncClient) -> bool:
    """Whether a gateway serves and its database answers."""
    try:
        return (await http.get("/health/readiness")).status_code == 200
    except httpx2.TransportError:
        return False


class Server:
    """`litebatch serve` in a process of its own."""

    def __init__(self, config: Path) -> None:
        self._config = config
        self._port = free_port()
        self._log = config.parent / f"server-{self._port}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.address = f"http://127.0.0.1:{self._port}"

    def start(self, failpoints: str = "") -> None:
        """Start it, with failpoints armed."""
        command = "from litebatch_asgi.cli import main; main()"
        arguments = ["serve", "--config", str(self._config), "--port", str(self._port)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", command, *arguments],
                stdout=log,
                stderr=log,
                env=os.environ | {"LITEBATCH_FAILPOINTS": failpoints},
            )

    async def ready(self) -> None:
        """Wait until it serves."""
        async with httpx2.AsyncClient(base_url=self.address, verify=False) as http:
            with anyio.fail_after(START_SECONDS):
                while not await is_ready(http):
                    assert self.process.poll() is None, self.log
                    await anyio.sleep(0.02)

    async def died(self) -> None:
        """Wait until it was killed."""
        with anyio.fail_after(START_SECONDS):
            while self.process.poll() is None:  # noqa: ASYNC110 - another process
                await anyio.sleep(0.01)
        assert self.process.returncode == -signal.SIGKILL, self.log

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, such as SIGSTOP."""
        self.process.send_signal(number)

    def kill(self) -> None:
        """End it at once, wherever it is."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The process, once it was started."""
        assert self._process is not None
        return self._process

    @property
    def log(self) -> str:
        """What it printed last."""
        return self._log.read_text()[-5000:]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()


class Deployed(Gateway):
    """A gateway process with its simulator, to be used as any other gateway."""

    def __init__(self, server: Server, simulator: Simulator, database: Database) -> None:
        super().__init__(simulator, server.address)
        self.server = server
        self.database = database

    async def restart(self, failpoints: str = "") -> None:
        """Kill it if it runs, start it and wait until it serves."""
        self.server.kill()
        self.server.start(failpoints)
        await self.server.ready()


@asynccontextmanager
async def deployed(
    folder: Path,
    settings: SimulatorSettings | None = None,
    database: Database | None = None,
    **options: Any,
) -> AsyncGenerator[Deployed]:
    """A simulator and a gateway process, which is still to be started; `options` are the gateway's.

    The database is a file in `folder` unless another one is given.
    """
    async with replicas(1, folder, settings, database, **options) as (gateway,):
        yield gateway


@asynccontextmanager
async def replicas(
    count: int,
    folder: Path,
    settings: SimulatorSettings | None = None,
    database: Database | None = None,
    **options: Any,
) -> AsyncGenerator[list[Deployed]]:
    """A simulator and several gateway processes on one database, which are still to be started."""
    simulator = Simulator(settings=settings or SWIFT)
    database = database or SQLiteDatabase(folder)
    async with simulator.running() as provider, AsyncExitStack() as stack:
        config = configure(folder, provider, database.url, **options)
        servers = [stack.enter_context(Server(config)) for _ in range(count)]
        gateways = [Deployed(server, simulator, database) for server in servers]
        yield [await stack.enter_async_context(aclosing(gateway)) for gateway in gateways]
