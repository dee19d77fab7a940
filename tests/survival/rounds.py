"""One round: replicas on a new database are kept busy and killed, then left in peace, then judged."""

from __future__ import annotations

import json
import random
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import msgspec
from anyio.abc import TaskGroup

from litebatch_asgi.models import Deployment
from litebatch_asgi.simulator import Account, Fault, Simulator
from litebatch_asgi.simulator.journal import JournalEntry
from litebatch_asgi.simulator.objects import BatchObject
from tests.clones import backed_up
from tests.database import Database
from tests.faults.promises import lost_orphans
from tests.faults.stage import HELD, TILED, settled_among_others
from tests.faults.strangers import settle_strangers
from tests.faults.tags import JOURNEY
from tests.faults.world import OPEN, World, world_on
from tests.harness import UPSTREAM, deployments
from tests.postgres import Server as DatabaseServer
from tests.survival import settings, sinks
from tests.survival.clients import CALLER, Client, Memory
from tests.survival.databases import AGAIN_SECONDS, AWAY
from tests.survival.fates import Fate, Toll, revive
from tests.survival.money import make_callers
from tests.survival.server import Deployed, Server, configure
from tests.survival.telling import Telling
from tests.survival.turns import Turn, clone_beside, restored
from tests.survival.verdict import violations
from tests.survival.weather import outages, storm
from tests.translated.deployed import ANTHROPIC, AZURE, OPENAI, VERTEX

RELEASE_SECONDS = 0.15
KILL_SECONDS = 60.0
"""the longest that load goes on for the sake of a kill"""
WRONG_CLOCK_SECONDS = 120.0
ROLL_SHARE = 0.2
"""of the first time of load, after how much one replica gets a sink that the others do not know"""
ALL_REFUSED = Fault(call="create_batch", status=429, times=None)
"""so that batches wait"""
MIXED = (OPENAI, AZURE, VERTEX, ANTHROPIC)
"""deployments of rounds in which not everybody speaks OpenAI"""


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
    least_kills: int = 0
    """the load goes on until there were so many, on a machine that is too busy to start processes"""
    stop_share: float = 0.25
    """of the replicas that are to come to a failpoint, how many are stopped there rather than killed"""
    without: str | None = None
    """a protection to go without"""
    turn: Turn = Turn.NONE
    """what happens to the database"""
    is_mixed: bool = False
    """whether not everybody speaks OpenAI"""
    rescues: bool = False
    """whether inputs are several tiles, and jobs break off and are rescued"""
    stuck_seconds: float = 2.5
    """between two jobs that stand still while a day passes, on average"""

    @property
    def gateway(self) -> dict[str, Any]:
        """Its settings."""
        return settings.GATEWAY | (settings.RESCUES if self.rescues else {})


class Party(msgspec.Struct, frozen=True, kw_only=True):
    """The processes of an installation, and what its clients know."""

    name: str
    memory: Memory
    replicas: Sequence[Deployed]
    clients: int
    deletes: bool = True
    """whether clients delete"""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What came out of a round."""

    toll: Toll
    memory: Memory
    struck: int
    """provider calls that something happened to"""
    seconds: float
    rescues: int
    """shards that were made of what jobs have left undone"""
    orphans: int
    """what providers have that only a lost part of history knew"""
    violations: list[str]


class Round:
    """The stage of one round."""

    def __init__(
        self,
        plan: Plan,
        replicas: Sequence[Deployed],
        world: World,
        server: DatabaseServer | None,
        folder: Path,
        served: Sequence[Deployment],
    ) -> None:
        self._plan = plan
        self._world = world
        self._server = server
        self._folder = folder
        self._served = served
        self._memory = Memory(world, Telling(world.database, folder))
        self._chance = random.Random(plan.seed)
        self._toll = Toll(translates=plan.is_mixed, rescues=plan.rescues)
        own = Party(name="", memory=self._memory, replicas=replicas, clients=plan.clients)
        self._parties = [own]
        self._phase = 0

    async def run(self) -> Result:
        """Keep it busy, then judge."""
        began = time.monotonic()
        async with AsyncExitStack() as stack:
            match self._plan.turn:
                case Turn.NONE:
                    await self._trouble(1.0)
                case Turn.CLONE:
                    await self._trouble(0.4)
                    await self._clone(stack)
                    await self._trouble(0.6)
                case Turn.RESTORE:
                    await self._trouble(0.4)
                    await self._restore()
                    await self._trouble(0.3)
            found = await self._judged()
            orphans = len(await lost_orphans(self._world))
            rescues = await self._world.rows("SELECT 1 FROM file_shards WHERE batch_id IS NOT NULL")
            if found:
                for party in self._parties:
                    await leave_evidence(self._folder, found, party)
        return Result(
            toll=self._toll,
            memory=self._memory,
            struck=sum(_is_trouble(entry) for entry in self._world.simulator.journal),
            seconds=time.monotonic() - began,
            rescues=len(rescues),
            orphans=orphans,
            violations=found,
        )

    async def _judged(self) -> list[str]:
        found: list[str] = []
        async with anyio.create_task_group() as group:
            for party in self._parties:
                group.start_soon(self._release, party.memory)
            for party in self._parties:
                party.memory.world.wrong += await revive([each.server for each in party.replicas])
            for party in self._parties:
                found += [f"{party.name}{text}" for text in await violations(party.memory)]
            group.cancel_scope.cancel()
        return [*found, *self._toll.crashes]

    async def _clone(self, stack: AsyncExitStack) -> None:
        """Make a clone, which goes on beside the original."""
        self._toll.clones += 1
        plan = self._plan
        clone = clone_beside(self._world, self._folder / "clone", self._served, plan.gateway, plan.without)
        memory, deployed = await stack.enter_async_context(clone)
        self._parties.append(Party(name="clone: ", memory=memory, replicas=[deployed], clients=2))

    async def _restore(self) -> None:
        """Go on for a while after a backup was taken, which waiting batches are in, and restore it."""
        self._toll.restores += 1
        (own,) = self._parties
        self._parties = [msgspec.structs.replace(own, deletes=False)]
        await self._trouble(0.1, ALL_REFUSED)
        refused = self._world.simulator.add_fault(ALL_REFUSED)
        self._memory.remember()
        async with backed_up(self._world.database, self._folder / "backup") as backup:
            self._world.simulator.remove_fault(refused)
            await self._trouble(0.2)
            servers = [replica.server for replica in own.replicas]
            await restored(self._memory, backup, servers, self._folder, self._another_chance())
        self._parties = [own]

    async def _trouble(self, share: float, *faults: Fault) -> None:
        """Let replicas live and die under load, while providers and database have troubles of their own."""
        plan = self._plan
        for fault in faults:
            self._world.simulator.add_fault(fault)
        async with anyio.create_task_group() as group:
            if not self._phase and plan.turn is not Turn.RESTORE:
                group.start_soon(self._roll_out, ROLL_SHARE * share * plan.seconds)
            for party in self._parties:
                self._keep_busy(group, party)
                if plan.rescues:
                    group.start_soon(self._stand_still, party.memory)
            chance = self._another_chance()
            weather = partial(storm, self._world.simulator, chance, plan.storm_seconds)
            group.start_soon(partial(weather, mixed=plan.is_mixed, breaks_off=plan.rescues))
            if self._server is not None:
                group.start_soon(outages, self._server, self._toll, chance, plan.outage_seconds)
            await anyio.sleep(share * plan.seconds)
            with anyio.move_on_after(KILL_SECONDS):
                while self._toll.kills < plan.least_kills:  # noqa: ASYNC110 - other processes
                    await anyio.sleep(RELEASE_SECONDS)
            group.cancel_scope.cancel()
        self._phase += 1

    async def _roll_out(self, seconds: float) -> None:
        """After so many seconds let the first replica have a sink that the others do not know."""
        await anyio.sleep(seconds)
        (own, *_) = self._parties
        names = sinks.named(*settings.SINKS, settings.LATER)
        changed = self._plan.gateway | {"sinks": names}
        url = self._world.database.url
        config = configure(self._folder, self._served, url, name="later.yaml", **changed)
        await self._memory.telling.roll_out(own.replicas[0].server, config)

    def _keep_busy(self, group: TaskGroup, party: Party) -> None:
        group.start_soon(self._release, party.memory)
        for replica in party.replicas:
            fate = Fate(
                replica.server,
                self._toll,
                self._another_chance(),
                lease_seconds=settings.LEASE_SECONDS,
                stop_share=self._plan.stop_share,
            )
            group.start_soon(fate.run)
        for number in range(party.clients):
            name = f"c{self._phase}-{number}"
            client = Client(name, party.memory, party.replicas, self._another_chance())
            group.start_soon(partial(client.run, self._plan.pause_seconds, deletes=party.deletes))

    def _another_chance(self) -> random.Random:
        return random.Random(self._chance.random())

    async def _release(self, memory: Memory) -> None:
        """Let jobs end that are alone and that the gateway follows: a provider takes longer than a repair.

        Jobs whose cancellation was acknowledged stay: they can end by being cancelled only. Those do end that
        tell at their end only whose they are, and are looked for.
        """
        world = memory.world
        statement = "SELECT provider_batch_id FROM jobs WHERE state = 'submitted'"
        while True:
            await world.learn()
            for account, batch in await world.doubtful():
                memory.released.add((batch.metadata or {})[JOURNEY])
                account.release(batch.id)
            followed = {row[0] for row in await world.rows(statement)}
            for account, batch in _lonely(memory):
                journey = (batch.metadata or {})[JOURNEY]
                if batch.id in followed and self._chance.random() < 0.4:
                    memory.released.add(journey)
                    account.release(batch.id)
            await anyio.sleep(RELEASE_SECONDS)

    async def _stand_still(self, memory: Memory) -> None:
        """Let a job not get on, while a day passes for its batch, again and again."""
        world = memory.world
        while True:
            await anyio.sleep(self._chance.random() * 2 * self._plan.stuck_seconds)
            running = [(batch.metadata or {})[JOURNEY] for _, batch in _lonely(memory)]
            known = [each for each in running if each in world.batches and each not in memory.aged]
            if not known:
                continue
            journey = self._chance.choice(known)
            memory.aged.add(journey)
            jobs = [batch.id for _, batch in world.lonely_jobs(journey)]
            stuck = self._chance.sample(jobs, min(1, len(jobs)))
            world.stuck.update(stuck)
            has_passed = False
            try:
                while not has_passed:
                    try:
                        await world.let_a_day_pass(world.batches[journey], settings.LEFT_SECONDS)
                        has_passed = True
                    except AWAY:
                        await anyio.sleep(AGAIN_SECONDS)
            finally:
                if not has_passed:  # nobody would see for a day that it stands still
                    world.stuck.difference_update(stuck)


def _lonely(memory: Memory) -> list[tuple[Account, BatchObject]]:
    """Open jobs that are the only ones of their shard, get on, and that nobody has cancelled."""
    world = memory.world
    journeys = {(batch.metadata or {})[JOURNEY] for _, batch in world.jobs() if batch.status in OPEN}
    return [job for journey in sorted(journeys - memory.cancelled) for job in world.lonely_jobs(journey)]


def _is_trouble(entry: JournalEntry) -> bool:
    return entry.status == "dropped" or entry.status >= 400


@asynccontextmanager
async def staged(
    plan: Plan, folder: Path, database: Database, server: DatabaseServer | None = None
) -> AsyncGenerator[Round]:
    """A round that is ready to run: a simulator, and replicas that serve.

    `server`: the PostgreSQL that the database is on, if it may be restarted.
    """
    cancelling = settings.CANCELLING_SECONDS if plan.rescues else 0.0
    held = msgspec.structs.replace(HELD, cancelling_seconds=cancelling)
    simulator = Simulator(folder / "provider", settings=held)
    async with simulator.running() as provider, AsyncExitStack() as stack:
        served = await _served(plan, simulator, provider)
        config = configure(folder, served, database.url, **plan.gateway)
        servers = [_server(plan, number, config) for number in range(plan.replicas)]
        replicas = [
            await stack.enter_async_context(aclosing(Deployed(server, simulator, database)))
            for server in servers
        ]
        wrong = await revive(servers)
        for replica in replicas:
            replica.caller = CALLER
        await make_callers(replicas[0])
        world = await world_on(replicas[0], database, provider)
        world.wrong += wrong
        yield Round(plan, replicas, world, server, folder, served)


async def _served(plan: Plan, simulator: Simulator, provider: str) -> Sequence[Deployment]:
    """Accounts that others use as well; also a clone does, from which nobody knows batches without a tag."""
    most = settings.TILE_REQUESTS if plan.rescues else None
    if plan.is_mixed:
        is_alone = plan.turn is not Turn.CLONE
        served = await settled_among_others(simulator, provider, MIXED, exclusive=is_alone)
        return [msgspec.structs.replace(each, max_job_requests=most) for each in served]
    names = TILED if plan.rescues else tuple(UPSTREAM)
    for name in names:
        await settle_strangers(simulator.account(name), provider)
    return deployments(provider, names, max_job_requests=most)


def _server(plan: Plan, number: int, config: Path) -> Server:
    """The first of them has a clock that is two minutes ahead, the second one that is as much behind."""
    ahead = {0: WRONG_CLOCK_SECONDS, 1: -WRONG_CLOCK_SECONDS}.get(number, 0.0)
    return Server(config, clock_ahead_seconds=ahead, without=plan.without)


async def played(
    plan: Plan, folder: Path, database: Database, server: DatabaseServer | None = None
) -> Result:
    """Stage a round and run it; what explains violations is left in `folder`."""
    async with staged(plan, folder, database, server) as staged_round:
        return await staged_round.run()


async def leave_evidence(folder: Path, found: Sequence[str], party: Party) -> None:
    """Write down what is needed to understand a violation."""
    world = party.memory.world
    evidence: dict[str, Any] = {"violations": list(found)}
    for table in (
        *("files", "file_shards", "file_copies", "batches", "jobs", "charges"),
        *("events", "sinks", "event_deliveries"),
    ):
        evidence[table] = [list(map(str, row)) for row in await world.rows(f"SELECT * FROM {table}")]
    evidence["journal"] = [msgspec.to_builtins(entry) for entry in world.simulator.journal]
    evidence["jobs at providers"] = [msgspec.to_builtins(batch) for _, batch in world.jobs()]
    evidence["orphans of a lost history"] = sorted(await lost_orphans(world))
    text = json.dumps(evidence, indent=1, default=str)
    name = "evidence of the clone.json" if party.name else "evidence.json"
    await anyio.Path(folder / name).write_text(text)
