"""One round: replicas on a new database are kept busy and killed, then left in peace, then judged."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import anyio
import msgspec
from anyio.abc import TaskGroup

from litebatch_asgi.models import Deployment
from litebatch_asgi.simulator import Account, Fault
from litebatch_asgi.simulator.journal import JournalEntry
from litebatch_asgi.simulator.objects import BatchObject
from tests.clones import backed_up
from tests.faults.promises import lost_orphans
from tests.faults.tags import JOURNEY
from tests.faults.world import OPEN, World
from tests.postgres import Server as DatabaseServer
from tests.survival import settings, sinks
from tests.survival.clients import Client, Memory
from tests.survival.databases import AGAIN_SECONDS, AWAY
from tests.survival.evidence import leave_evidence
from tests.survival.fates import Fate, Toll, revive
from tests.survival.hooks import Hooks
from tests.survival.lines import Sent
from tests.survival.live import live_storm
from tests.survival.plans import Party, Plan
from tests.survival.server import Deployed, configure
from tests.survival.telling import Telling
from tests.survival.turns import Turn, clone_beside, restored
from tests.survival.verdict import violations
from tests.survival.weather import outages, slow_checks, storm
from tests.translated.deployed import AZURE

RELEASE_SECONDS = 0.15
KILL_SECONDS = 60.0
"""the longest that load goes on for the sake of a kill"""
ROLL_SHARE = 0.2
"""of the first time of load, after how much one replica gets a sink that the others do not know"""
ALL_REFUSED = Fault(call="create_batch", status=429, times=None)
"""so that batches wait"""


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
    requests: int
    """that live deployments were sent"""
    repeated: int
    """of these: although they had been answered, for who had sent them was lost with the answer"""
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
        hooks: Hooks,
    ) -> None:
        self._plan = plan
        self._world = world
        self._server = server
        self._folder = folder
        self._served = served
        self._memory = Memory(world, Telling(world.database, folder, hooks))
        self._chance = random.Random(plan.seed)
        self._toll = Toll(plan.features)
        own = Party(name="", memory=self._memory, replicas=replicas, clients=plan.clients)
        self._parties = [own]
        self._phase = 0
        self._repeated = 0

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
            rescues = await self._rescues()
            if found:
                for party in self._parties:
                    await leave_evidence(self._folder, found, party)
        return Result(
            toll=self._toll,
            memory=self._memory,
            struck=sum(_is_trouble(entry) for entry in self._world.simulator.journal),
            seconds=time.monotonic() - began,
            rescues=rescues,
            orphans=orphans,
            requests=len(self._world.simulator.requests),
            repeated=self._repeated,
            violations=found,
        )

    async def _judged(self) -> list[str]:
        found: list[str] = []
        async with anyio.create_task_group() as group:
            for party in self._parties:
                group.start_soon(self._release, party.memory)
                group.start_soon(party.memory.sightings.watch)
            for party in self._parties:
                party.memory.world.wrong += await revive([each.server for each in party.replicas])
            for party in self._parties:
                found += [f"{party.name}{text}" for text in await violations(party.memory)]
                found += [f"{party.name}{text}" for text in self._sent_wrongly(party)]
            group.cancel_scope.cancel()
        return [*found, *self._toll.crashes]

    async def _rescues(self) -> int:
        """How many shards were made of what jobs had left undone."""
        return len(await self._world.rows("SELECT 1 FROM file_shards WHERE batch_id IS NOT NULL"))

    async def _has_enough(self) -> bool:
        """Whether what the round is about has happened."""
        plan = self._plan
        sent = len(self._world.simulator.requests)
        if self._toll.kills < plan.least_kills or sent < plan.least_requests:
            return False
        return not plan.least_rescues or await self._rescues() >= plan.least_rescues

    def _sent_wrongly(self, party: Party) -> list[str]:
        """What live deployments were sent that they should not have been."""
        sent = Sent(party.memory.world, party.lives, party.memory.sightings)
        self._repeated += sent.repeated
        return list(sent.wrong())

    async def _clone(self, stack: AsyncExitStack) -> None:
        """Make a clone, which goes on beside the original."""
        self._toll.clones += 1
        plan = self._plan
        folder, hooks = self._folder / "clone", self._memory.telling.hooks
        clone = clone_beside(self._world, folder, self._served, plan.gateway, hooks, plan.without)
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
            if plan.is_mixed:
                group.start_soon(slow_checks, self._world.simulator.account(AZURE), chance)
            if plan.live:
                group.start_soon(live_storm, self._world.simulator, chance, plan.live_storm_seconds)
            if self._server is not None:
                group.start_soon(outages, self._server, self._toll, chance, plan.outage_seconds)
            await anyio.sleep(share * plan.seconds)
            with anyio.move_on_after(KILL_SECONDS):
                while not await self._has_enough():  # noqa: ASYNC110 - other processes
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
        group.start_soon(party.memory.sightings.watch)
        for replica in party.replicas:
            fate = Fate(
                replica.server,
                self._toll,
                self._another_chance(),
                lease_seconds=self._plan.longest_lease_seconds,
                stop_share=self._plan.stop_share,
            )
            group.start_soon(fate.run)
        for number in range(party.clients):
            name = f"c{self._phase}-{number}"
            plan, chance = self._plan, self._another_chance()
            client = Client(name, party.memory, party.replicas, chance, live=plan.live, poison=plan.poison)
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
