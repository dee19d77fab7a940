"""A process that was stopped for longer than its leases, and goes on as if it still held them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import anyio
from msgspec.structs import replace
from openai import APIStatusError

from litebatch_asgi.app import open_storage
from litebatch_asgi.models import Claim, Content, FileCopy
from litebatch_asgi.simulator import Fault, Simulator
from litebatch_asgi.storage import Storage
from tests.database import Database, SQLiteDatabase
from tests.faults.promises import broken
from tests.faults.stage import HELD, gateway_on
from tests.faults.world import CONTENT, RUN, World, world_of
from tests.harness import QUICK, InProcess

SETTINGS = replace(
    QUICK, lease_seconds=0.5, provider_timeout_seconds=5, adopt_grace_seconds=2, place_budget_seconds=0.2
)


def asleep(database: Database) -> Storage:
    """The storage of a process whose heart does not beat, which it does not know."""

    async def renew(claims: Sequence[Claim], *, lease_seconds: float) -> list[Claim]:
        """Renew nothing, and say that all is well."""
        return list(claims)

    storage = open_storage(database.url)
    storage.claims.renew = renew  # type: ignore[method-assign]
    return storage


class Pair:
    """Two processes on one database: a zombie, and one that takes its work over."""

    def __init__(self, zombie: InProcess, world: World) -> None:
        self.zombie = zombie
        self.world = world
        self.simulator = world.simulator

    async def until_rows(self, statement: str) -> None:
        """Wait until a query on the database has an answer."""

        async def found() -> bool:
            return bool(await self.world.rows(statement))

        await self.world.gateway.eventually(found)


async def pair(folder: Path, database: Database, stack: AsyncExitStack) -> Pair:
    """Start both; they stop with `stack`."""
    simulator = Simulator(settings=HELD)
    provider = await stack.enter_async_context(simulator.running())
    start = partial(gateway_on, simulator, provider, folder, settings=SETTINGS, database=database)
    zombie, heir = start(storage=asleep(database)), start()
    gateways = [await stack.enter_async_context(each) for each in (zombie, heir)]
    return Pair(gateways[0], await world_of(gateways[1], provider))


async def upload_of_a_zombie(folder: Path, database: Database | None = None) -> list[str]:
    """An upload is answered when another process has taken its uploader for dead: what is wrong then."""
    async with AsyncExitStack() as stack:
        two = await pair(folder, database or SQLiteDatabase.migrated(folder), stack)
        stalled = two.simulator.add_fault(Fault(call="upload_file", when="after", stall=True, times=2))
        hidden = two.simulator.add_fault(Fault(call="list_files", hide_newest=1, times=None))
        answers: list[int] = []

        async def upload() -> None:
            try:
                await two.zombie.upload(CONTENT)
            except APIStatusError as error:
                answers.append(error.status_code)

        async with anyio.create_task_group() as group:
            group.start_soon(upload)
            await two.until_rows(
                "SELECT 1 WHERE (SELECT count(*) FROM file_copies WHERE state = 'deleting') = 2"
            )
            two.simulator.remove_fault(stalled)
        two.simulator.remove_fault(hidden)
        wrong = await broken(two.world)
        return wrong if answers == [503] else [*wrong, f"the client was told {answers}"]


async def upload_of_a_zombie_half_taken_over(folder: Path, database: Database) -> list[str]:
    """An upload is answered when one of its copies is in other hands, and the other one is looked after."""
    async with AsyncExitStack() as stack:
        simulator = Simulator(settings=HELD)
        provider = await stack.enter_async_context(simulator.running())
        start = partial(gateway_on, simulator, provider, folder, settings=SETTINGS, database=database)
        zombie = await stack.enter_async_context(start(storage=asleep(database), reconciler=False))
        two = Pair(zombie, await world_of(zombie, provider))
        stalled = simulator.add_fault(Fault(call="upload_file", when="after", stall=True, times=2))
        answers: list[int] = []
        taken: list[FileCopy] = []

        async def upload() -> None:
            try:
                await zombie.upload(CONTENT)
            except APIStatusError as error:
                answers.append(error.status_code)

        async def west_is_taken() -> bool:
            taken.extend(
                await zombie.storage.claims.claim_copies("other", lease_seconds=600, room={"west": 1})
            )
            return bool(taken)

        async with anyio.create_task_group() as group:
            group.start_soon(upload)
            await simulator.until(lambda: stalled.struck == 2)
            await zombie.eventually(west_is_taken)
            two.world.gateway = await stack.enter_async_context(start())
            await two.until_rows("SELECT 1 FROM file_copies WHERE deployment_id = 'east' AND epoch > 0")
            simulator.remove_fault(stalled)
        await zombie.storage.claims.renew(taken, lease_seconds=0)
        wrong = await broken(two.world)
        return wrong if answers == [503] else [*wrong, f"the client was told {answers}"]


async def upload_of_a_zombie_with_a_late_original(folder: Path, database: Database) -> list[str]:
    """An original is kept when another process has given its file up: what is wrong then."""
    settings = replace(SETTINGS, keep_originals="always")
    async with AsyncExitStack() as stack:
        simulator = Simulator(settings=HELD)
        provider = await stack.enter_async_context(simulator.running())
        start = partial(gateway_on, simulator, provider, folder, settings=settings, database=database)
        storage, has_begun, is_given_up = asleep(database), anyio.Event(), anyio.Event()
        begin = storage.contents.begin

        async def begin_late(content: Content, *, lease_seconds: float) -> Content:
            has_begun.set()
            await is_given_up.wait()
            return await begin(content, lease_seconds=lease_seconds)

        storage.contents.begin = begin_late  # type: ignore[method-assign]
        zombie = await stack.enter_async_context(start(storage=storage))
        heir = await stack.enter_async_context(start())
        two = Pair(zombie, await world_of(heir, provider))
        answers: list[int] = []

        async def upload() -> None:
            try:
                await zombie.upload(CONTENT)
            except APIStatusError as error:
                answers.append(error.status_code)

        async with anyio.create_task_group() as group:
            group.start_soon(upload)
            await has_begun.wait()
            await two.until_rows("SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM files WHERE deleted_at IS NULL)")
            is_given_up.set()
        wrong = await broken(two.world)
        return wrong if answers == [503] else [*wrong, f"the client was told {answers}"]


async def settlement_of_a_zombie(folder: Path, database: Database) -> list[str]:
    """Results arrive when another process has settled the job: what is wrong then."""
    async with AsyncExitStack() as stack:
        simulator = Simulator(settings=HELD)
        provider = await stack.enter_async_context(simulator.running())
        start = partial(gateway_on, simulator, provider, folder, settings=SETTINGS, database=database)
        zombie = await stack.enter_async_context(start(storage=asleep(database)))
        world = await world_of(zombie, provider)
        stalled = simulator.add_fault(Fault(call="stream_file", match="batch_", when="after", stall=True))
        await world.create(await world.upload(), RUN)
        async with anyio.create_task_group() as group:
            group.start_soon(world.let_run)
            await simulator.until(lambda: stalled.struck == 1)
            world.gateway = await stack.enter_async_context(start())
            await world.ended(RUN)
            group.cancel_scope.cancel()
        simulator.remove_fault(stalled)
        return await broken(world)
