"""One round: replicas on a new database are kept busy and killed, then left in peace, then judged."""

from __future__ import annotations

import json
import random
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import msgspec

from litebatch_asgi.simulator import Account, Simulator
from litebatch_asgi.simulator.journal import JournalEntry
from litebatch_asgi.simulator.objects import BatchObject
from tests.database import Database
from tests.faults.stage import HELD, settle_strangers
from tests.faults.world import JOURNEY, OPEN, World, world_on
from tests.harness import UPSTREAM
from tests.postgres import Server as DatabaseServer
from tests.survival import settings
from tests.survival.clients import Client, Memory
from tests.survival.fates import Fate, Toll, revive
from tests.survival.server import Deployed, Server, configure
from tests.survival.verdict import violations
from tests.survival.weather import outages, storm

RELEASE_SECONDS = 0.15
WRONG_CLOCK_SECONDS = 120.0


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a round is like."""

    seed: str
    seconds: float
    """of load; the judgement comes on top"""
    replicas: int
    clients: int = 5
    pause_seconds: float = 0.2
    """between two calls of a client, on average"""
    storm_seconds: float = 0.6
    """between two troubles of providers, on average"""
    outage_seconds: float = 12.0
    """between two restarts of the database, on average"""
    stop_share: float = 0.25
    """of the replicas that are to come to a failpoint, how many are stopped there rather than killed"""
    without: str | None = None
    """a protection to go without"""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What came out of a round."""

    toll: Toll
    memory: Memory
    struck: int
    """provider calls that something happened to"""
    seconds: float
    violations: list[str]


class Round:
    """The stage of one round."""

    def __init__(
        self, plan: Plan, replicas: Sequence[Deployed], world: World, server: DatabaseServer | None
    ) -> None:
        self._plan = plan
        self._replicas = replicas
        self._world = world
        self._server = server
        self._memory = Memory(world)
        self._chance = random.Random(plan.seed)

    async def run(self) -> Result:
        """Keep it busy, then judge."""
        began = time.monotonic()
        toll = Toll()
        found: list[str] = []
        async with anyio.create_task_group() as group:
            group.start_soon(self._release)
            await self._trouble(toll)
            self._world.wrong += await revive([replica.server for replica in self._replicas])
            found += await violations(self._memory)
            group.cancel_scope.cancel()
        return Result(
            toll=toll,
            memory=self._memory,
            struck=sum(_is_trouble(entry) for entry in self._world.simulator.journal),
            seconds=time.monotonic() - began,
            violations=[*found, *toll.crashes],
        )

    async def _trouble(self, toll: Toll) -> None:
        """Let replicas live and die under load, while providers and database have troubles of their own."""
        plan = self._plan
        with anyio.move_on_after(plan.seconds):
            async with anyio.create_task_group() as group:
                for replica in self._replicas:
                    fate = Fate(
                        replica.server,
                        toll,
                        self._another_chance(),
                        lease_seconds=settings.LEASE_SECONDS,
                        stop_share=plan.stop_share,
                    )
                    group.start_soon(fate.run)
                for number in range(plan.clients):
                    client = Client(f"c{number}", self._memory, self._replicas, self._another_chance())
                    group.start_soon(client.run, plan.pause_seconds)
                chance = self._another_chance()
                group.start_soon(storm, self._world.simulator, chance, plan.storm_seconds)
                if self._server is not None:
                    group.start_soon(outages, self._server, toll, chance, plan.outage_seconds)

    def _another_chance(self) -> random.Random:
        return random.Random(self._chance.random())

    async def _release(self) -> None:
        """Let jobs end that are alone and that the gateway follows: a provider takes longer than a repair.

        Jobs whose cancellation was acknowledged stay: they can end by being cancelled only.
        """
        statement = "SELECT provider_batch_id FROM jobs WHERE state = 'submitted'"
        while True:
            followed = {row[0] for row in await self._world.rows(statement)}
            for account, batch in self._lonely():
                journey = (batch.metadata or {})[JOURNEY]
                if batch.id in followed and self._chance.random() < 0.4:
                    self._memory.released.add(journey)
                    account.release(batch.id)
            await anyio.sleep(RELEASE_SECONDS)

    def _lonely(self) -> list[tuple[Account, BatchObject]]:
        """Open jobs that are the only ones of their batch, and that nobody has cancelled."""
        by_journey: dict[str, list[tuple[Account, BatchObject]]] = {}
        for account, batch in self._world.jobs():
            if batch.status in OPEN:
                by_journey.setdefault((batch.metadata or {})[JOURNEY], []).append((account, batch))
        return [
            jobs[0]
            for journey, jobs in by_journey.items()
            if len(jobs) == 1 and journey not in self._memory.cancelled
        ]


def _is_trouble(entry: JournalEntry) -> bool:
    return entry.status == "dropped" or entry.status >= 400


@asynccontextmanager
async def staged(
    plan: Plan, folder: Path, database: Database, server: DatabaseServer | None = None
) -> AsyncGenerator[Round]:
    """A round that is ready to run: a simulator, and replicas that serve.

    `server`: the PostgreSQL that the database is on, if it may be restarted.
    """
    simulator = Simulator(folder / "provider", settings=HELD)
    async with simulator.running() as provider, AsyncExitStack() as stack:
        for name in UPSTREAM:
            await settle_strangers(simulator.account(name), provider)
        config = configure(folder, provider, database.url, **settings.GATEWAY)
        servers = [_server(plan, number, config) for number in range(plan.replicas)]
        replicas = [
            await stack.enter_async_context(aclosing(Deployed(server, simulator, database)))
            for server in servers
        ]
        wrong = await revive(servers)
        world = await world_on(replicas[0], database, provider)
        world.wrong += wrong
        yield Round(plan, replicas, world, server)


def _server(plan: Plan, number: int, config: Path) -> Server:
    """The first of them has a clock that is two minutes ahead, the second one that is as much behind."""
    ahead = {0: WRONG_CLOCK_SECONDS, 1: -WRONG_CLOCK_SECONDS}.get(number, 0.0)
    return Server(config, clock_ahead_seconds=ahead, without=plan.without)


async def played(
    plan: Plan, folder: Path, database: Database, server: DatabaseServer | None = None
) -> Result:
    """Stage a round and run it; what explains violations is left in `folder`."""
    async with staged(plan, folder, database, server) as staged_round:
        result = await staged_round.run()
        if result.violations:
            await leave_evidence(folder, result.violations, result.memory.world)
    return result


async def leave_evidence(folder: Path, found: Sequence[str], world: World) -> None:
    """Write down what is needed to understand a violation."""
    evidence: dict[str, Any] = {"violations": list(found)}
    for table in ("files", "file_copies", "batches", "jobs", "charges"):
        evidence[table] = [list(map(str, row)) for row in await world.rows(f"SELECT * FROM {table}")]
    evidence["journal"] = [msgspec.to_builtins(entry) for entry in world.simulator.journal]
    evidence["jobs at providers"] = [msgspec.to_builtins(batch) for _, batch in world.jobs()]
    text = json.dumps(evidence, indent=1, default=str)
    await anyio.Path(folder / "evidence.json").write_text(text)
