"""A real gateway process that can be killed and started again."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import anyio
import httpx2

from litebatch_asgi.simulator import Simulator, SimulatorSettings
from tests.harness import MODEL, SWIFT, UPSTREAM, Gateway

KEY = "sk-master"
START_SECONDS = 20.0
LEASE_SECONDS = 1.0


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """`litebatch serve` in a process of its own."""

    def __init__(self, folder: Path, provider: str) -> None:
        self._folder = folder
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.address = f"http://127.0.0.1:{self._port}"
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
            "general_settings": {"master_key": KEY, "database_url": f"sqlite:///{folder}/litebatch.db"},
            "litebatch_settings": {
                "min_poll_seconds": 0.02,
                "max_poll_seconds": 0.2,
                "refresh_after_seconds": 0.05,
                "adopt_grace_seconds": 0.5,
                "lost_grace_seconds": 0.2,
                "lease_seconds": LEASE_SECONDS,
                "provider_timeout_seconds": 2,
                "spool_dir": str(folder),
            },
        }
        (folder / "litebatch.yaml").write_text(json.dumps(config))  # JSON is YAML

    def start(self, failpoints: str = "") -> None:
        """Start it, with failpoints armed."""
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-c",
                    "from litebatch_asgi.cli import main; main()",
                    "serve",
                    "--config",
                    str(self._folder / "litebatch.yaml"),
                    "--port",
                    str(self._port),
                ],
                stdout=log,
                stderr=log,
                env=os.environ | {"LITEBATCH_FAILPOINTS": failpoints},
            )

    async def ready(self) -> None:
        """Wait until it serves."""
        async with httpx2.AsyncClient(base_url=self.address, verify=False) as http:
            with anyio.fail_after(START_SECONDS):
                while True:
                    try:
                        if (await http.get("/health/readiness")).status_code == 200:
                            return
                    except httpx2.TransportError:
                        pass
                    assert self._process is not None
                    assert self._process.poll() is None, self.log
                    await anyio.sleep(0.02)

    async def died(self) -> None:
        """Wait until it was killed."""
        assert self._process is not None
        with anyio.fail_after(START_SECONDS):
            while self._process.poll() is None:  # noqa: ASYNC110 - another process
                await anyio.sleep(0.01)
        assert self._process.returncode == -signal.SIGKILL, self.log

    def kill(self) -> None:
        """End it at once, wherever it is."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    @property
    def log(self) -> str:
        """What it printed."""
        return (self._folder / "server.log").read_text()[-5000:]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()


class Deployed(Gateway):
    """A gateway process with its simulator, to be used as any other gateway."""

    def __init__(self, server: Server, simulator: Simulator) -> None:
        super().__init__(simulator, server.address)
        self.server = server


@asynccontextmanager
async def deployed(folder: Path, settings: SimulatorSettings | None = None) -> AsyncGenerator[Deployed]:
    """A simulator and a gateway process, which is still to be started."""
    simulator = Simulator(settings=settings or SWIFT)
    async with simulator.running() as provider:
        with Server(folder, provider) as server:
            async with aclosing(Deployed(server, simulator)) as gateway:
                yield gateway


def rows(folder: Path, statement: str) -> list[tuple[Any, ...]]:
    """What the gateway's database says."""
    import sqlite3

    connection = sqlite3.connect(folder / "litebatch.db")
    try:
        return connection.execute(statement).fetchall()
    finally:
        connection.close()
