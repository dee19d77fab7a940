"""Real gateway processes that can be killed and started again."""

from __future__ import annotations

import json
import random
import signal
import socket
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import httpx2
import msgspec
import psutil
from msgspec.structs import replace

from litebatch_asgi.config.vocabulary import Params
from litebatch_asgi.models import Deployment
from litebatch_asgi.simulator import Simulator, SimulatorSettings
from tests.cli.processes import environment
from tests.database import Database, SQLiteDatabase
from tests.forks import Forked, Order
from tests.harness import SWIFT, Gateway, deployments
from tests.survival import live, sinks
from tests.translated.deployed import ANTHROPIC, AZURE, OPENAI, VERTEX

KEY = "sk-master"
PRICES: Mapping[str, Mapping[str, str]] = {
    "east": {
        "input_cost_per_token_batches": "0.00000025000303",
        "cache_read_input_token_cost_batches": "0.0000000625",
        "output_cost_per_token_batches": "0.00000100010007",
    },
    "west": {
        "input_cost_per_token_batches": "0.00000027",
        "cache_read_input_token_cost_batches": "0.00000009000109",
        "output_cost_per_token_batches": "0.0000011",
    },
    "north": {
        "input_cost_per_token_batches": "0.00000023",
        "cache_read_input_token_cost_batches": "0.00000005000707",
        "output_cost_per_token_batches": "0.00000102",
    },
    "south": {
        "input_cost_per_token_batches": "0.00000026000505",
        "cache_read_input_token_cost_batches": "0.00000008",
        "output_cost_per_token_batches": "0.00000099000303",
    },
    OPENAI: {
        "input_cost_per_token_batches": "0.00000025",
        "cache_read_input_token_cost_batches": "0.00000006250909",
        "output_cost_per_token_batches": "0.000001",
    },
    AZURE: {
        "input_cost_per_token_batches": "0.00000026000707",
        "cache_read_input_token_cost_batches": "0.00000007",
        "output_cost_per_token_batches": "0.0000009",
    },
    VERTEX: {
        "input_cost_per_token_batches": "0.00000024",
        "cache_read_input_token_cost_batches": "0.00000003000501",
        "output_cost_per_token_batches": "0.00000105",
    },
    ANTHROPIC: {
        "input_cost_per_token_batches": "0.00000027000303",
        "cache_read_input_token_cost_batches": "0.000000025",
        "output_cost_per_token_batches": "0.00000110010007",
    },
    **{
        name: {
            "input_cost_per_token": f"0.0000001200{number}03",
            "cache_read_input_token_cost": "0.00000003000707",
            "output_cost_per_token": "0.0000005",
        }
        for number, name in enumerate(live.SERVERS)
    },
}
"""by deployment: US dollars, some of them finer than charges are"""
START_SECONDS = 120.0
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
    folder: Path,
    served: Sequence[Deployment],
    database_url: str,
    *,
    name: str = "litebatch.yaml",
    **settings: Any,
) -> Path:
    """Write the configuration of a gateway over these deployments, and return its path."""
    config = {
        "model_list": [_entry(deployment) for deployment in served],
        "general_settings": {"master_key": KEY, "database_url": database_url},
        "litebatch_settings": QUICK | {"spool_dir": str(folder)} | settings,
    }
    path = folder / name
    path.write_text(json.dumps(config))  # JSON is YAML
    return path


def _entry(deployment: Deployment) -> dict[str, Any]:
    names = set(Params.__struct_fields__) & set(Deployment.__struct_fields__)
    given = {name: getattr(deployment, name) for name in sorted(names)}
    assert deployment.id is not None
    return {
        "model_name": deployment.model_name,
        "params": {name: value for name, value in given.items() if value},
        "model_info": {
            "id": deployment.id,
            "mode": "batch",
            "max_job_requests": deployment.max_job_requests,
            **PRICES[deployment.id],
        },
    }


async def is_ready(http: httpx2.AsyncClient) -> bool:
    """Whether a gateway serves and its database answers."""
    try:
        return (await http.get("/health/readiness")).status_code == 200
    except httpx2.TransportError:
        return False


class Life(msgspec.Struct):
    """One process of a server, from its start to its end. Times are seconds since 1970."""

    key: str
    """with which it comes to live deployments"""
    ended_at: float | None = None
    """when it was seen to be gone"""
    told_to_end_at: float | None = None
    """when it was asked to end by itself"""
    stops: list[tuple[float, float]] = []
    """from when to when it was seen to be stopped"""


class Server:
    """`litebatch serve` in a process of its own, which can be killed, stopped and started again.

    `clock_ahead_seconds` and `without`: see `tests.forks`.
    """

    def __init__(self, config: Path, *, clock_ahead_seconds: float = 0.0, without: str | None = None) -> None:
        self._port = free_port()
        self._log = config.parent / f"server-{self._port}.log"
        self._logged_before = 0  # bytes, when it was started last
        self._order = Order(
            arguments=self._arguments(config),
            environment=environment({sinks.FOLDER: str(config.parent)}),
            stdout=self._log,
            stderr=self._log,
            clock_ahead_seconds=clock_ahead_seconds,
            without=without,
        )
        self._process: Forked | None = None
        self.lives: list[Life] = []
        """all its processes, the one that runs last"""
        self.address = f"http://127.0.0.1:{self._port}"
        self.serves = False
        """whether it was seen to serve since it was started; it may be stopped or have died again"""

    def _arguments(self, config: Path) -> tuple[str, ...]:
        return "serve", "--config", str(config), "--port", str(self._port)

    def configure(self, config: Path) -> None:
        """Give it another configuration when it is started next."""
        self._order = replace(self._order, arguments=self._arguments(config))

    async def start(self, failpoints: str = "") -> None:
        """Start it, with failpoints armed; if it runs it is killed before."""
        await self.kill()
        self.serves = False
        self.lives.append(Life(key=f"sk-{self._port}-{len(self.lives)}"))
        extra = {"LITEBATCH_FAILPOINTS": failpoints, live.KEY: self.lives[-1].key}
        order = replace(self._order, environment=self._order.environment | extra)
        self._logged_before = self._log.stat().st_size if self._log.exists() else 0
        self._process = await anyio.to_thread.run_sync(Forked, order)

    async def ready(self) -> bool:
        """Wait until it serves; False if it has died before, or has stopped itself."""
        async with httpx2.AsyncClient(base_url=self.address, verify=False, timeout=2) as http:
            with anyio.fail_after(START_SECONDS):
                while self.is_alive and not self.is_stopped:
                    self.serves = await is_ready(http)
                    if self.serves:
                        return True
                    await anyio.sleep(0.02)
        return False

    async def started(self, failpoints: str = "") -> None:
        """Start it and wait until it serves."""
        await self.start(failpoints)
        assert await self.ready(), self.log

    async def ended_within(self, seconds: float) -> int | None:
        """Its exit code, if it ends, waiting so long at most: -9 if it was killed."""
        with anyio.move_on_after(seconds):
            await anyio.wait_readable(self.process.sentinel)
        if (code := self.process.poll()) is not None:
            self.has_ended()
        return code

    async def died(self) -> None:
        """Wait until it was killed."""
        assert await self.ended_within(START_SECONDS) == -signal.SIGKILL, self.log

    async def stopped_within(self, seconds: float) -> bool:
        """Whether it stops, waiting so long at most; it may die instead."""
        with anyio.move_on_after(seconds):
            while self.is_alive and not self.is_stopped:  # noqa: ASYNC110 - another process
                await anyio.sleep(0.02)
        return self.is_stopped

    @property
    def is_stopped(self) -> bool:
        """Whether it is stopped, by itself or by a signal, and may go on."""
        with suppress(psutil.NoSuchProcess):
            return psutil.Process(self.process.pid).status() == psutil.STATUS_STOPPED
        return False

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, such as SIGSTOP, if it lives."""
        self.process.send_signal(number)

    async def kill(self) -> None:
        """End it at once, wherever it is."""
        if self._process is not None:
            await anyio.to_thread.run_sync(self._process.kill)
            self.has_ended()

    def has_ended(self) -> None:
        """Note that the process is gone, when that is first seen."""
        if self.lives and self.lives[-1].ended_at is None:
            self.lives[-1].ended_at = time.time()

    async def aclose(self) -> None:
        """The same, also when cancelled."""
        with anyio.CancelScope(shield=True):
            await self.kill()

    @property
    def is_alive(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def process(self) -> Forked:
        """The process, once it was started."""
        assert self._process is not None
        return self._process

    @property
    def log(self) -> str:
        """What it printed last, since it was started."""
        return self._log.read_bytes()[self._logged_before :].decode()[-5000:]


class Deployed(Gateway):
    """A gateway process with its simulator, to be used as any other gateway."""

    caller = KEY

    def __init__(self, server: Server, simulator: Simulator, database: Database) -> None:
        super().__init__(simulator, server.address)
        self.server = server
        self.database = database

    async def restart(self, failpoints: str = "") -> None:
        """Kill it if it runs, start it and wait until it serves."""
        await self.server.started(failpoints)

    async def aclose(self) -> None:
        """Kill it and close the clients."""
        with anyio.CancelScope(shield=True):
            await self.server.aclose()
            await super().aclose()


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
        config = configure(folder, deployments(provider), database.url, **options)
        gateways = [Deployed(Server(config), simulator, database) for _ in range(count)]
        yield [await stack.enter_async_context(aclosing(gateway)) for gateway in gateways]
