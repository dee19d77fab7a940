"""A clone of the database beside its original, on the same provider accounts."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

import anyio
import pytest
from openai import ConflictError, NotFoundError

from litebatch_asgi.app import open_storage
from litebatch_asgi.errors import ConfigError
from litebatch_asgi.installations import COPIED, installations_of
from litebatch_asgi.simulator import Fault, Simulator
from tests.clones import cloned, write_to
from tests.database import Database, SQLiteDatabase
from tests.faults.journey import travel
from tests.faults.promises import broken
from tests.faults.stage import HELD, gateway_on
from tests.faults.strangers import settle_strangers
from tests.faults.tags import JOURNEY
from tests.faults.world import CONTENT, RUN, World, possessions, world_of
from tests.harness import UPSTREAM, InProcess, rows_of
from tests.postgres import database_url
from tests.survival.databases import RestartedDatabase

EARLIER = "earlier"
"""a journey of production's from before the copy was made"""
FAULTS = (
    Fault(call="upload_file", when="after", drop=True, times=2),
    Fault(call="create_batch", when="after", drop=True, times=3),
    Fault(call="list_batches", hide_newest=2, times=3),
    Fault(call="cancel_batch", when="after", status=502),
    Fault(call="delete_file", status=503, times=4),
)


@pytest.fixture
async def database(backend: str, tmp_path: Path) -> AsyncGenerator[Database]:
    """A database whose sessions may be ended."""
    if backend == "sqlite":
        yield SQLiteDatabase(tmp_path)
        return
    async with database_url(fresh=True) as url, aclosing(RestartedDatabase(url)) as database:
        yield database


async def test_a_clone_and_its_original_leave_each_other_alone(tmp_path: Path, database: Database) -> None:
    simulator = Simulator(settings=HELD)
    async with simulator.running() as provider:
        for name in UPSTREAM:
            await settle_strangers(simulator.account(name), provider)
        async with gateway_on(simulator, provider, tmp_path / "production", database=database) as production:
            world = await world_of(production, provider)
            ended, opened = await some_history(world)
            async with cloned(database, tmp_path / "clone") as clone:
                await is_refused(clone)
                await installations_of(open_storage(clone.url)).copied(idle_seconds=0)
                await expire_the_errors(clone)
                before = possessions(simulator)
                async with gateway_on(simulator, provider, tmp_path / "staging", database=clone) as staging:
                    await what_was_there_is_theirs(staging, world, ended, opened)
                    await results_go_in_the_clone_alone(staging, ended)
                    assert possessions(simulator) == before
                    await both_go_on(world, await world_of(staging, provider), simulator)
                    await production_ends_what_it_began(world, opened)


async def is_refused(clone: Database) -> None:
    """Nobody begins on a clone that was not told what it is: its open batch is still open."""
    assert len(await clone.rows("SELECT 1 FROM reservations")) == 1
    storage = open_storage(clone.url)
    try:
        with pytest.raises(ConfigError, match="database copied"):
            await storage.open()
    finally:
        await storage.close()


async def some_history(world: World) -> tuple[str, str]:
    """What production has before it is copied: a batch that has ended, and one that runs."""
    file_id = await world.upload()
    ended = await world.create(file_id, EARLIER)
    async with anyio.create_task_group() as group:
        group.start_soon(world.let_run, EARLIER)
        await world.ended(EARLIER)
        group.cancel_scope.cancel()
    opened = await world.create(file_id, "open")
    await world.gateway.reached(opened, "in_progress")
    return ended, opened


async def what_was_there_is_theirs(staging: InProcess, world: World, ended: str, opened: str) -> None:
    """The open batch has failed and says why; inputs are gone; results are there."""
    client = staging.client()
    batch = await client.batches.retrieve(opened)
    assert batch.status == "failed"
    assert batch.errors is not None
    assert batch.errors.data is not None
    assert [(error.code, error.message) for error in batch.errors.data] == [(COPIED.code, COPIED.message)]
    assert await staging.database.rows("SELECT 1 FROM reservations") == []
    with pytest.raises(ConflictError):
        await client.batches.cancel(opened)
    assert [file.id async for file in client.files.list(purpose="batch")] == []
    (file_id,) = world.files
    with pytest.raises(NotFoundError):
        await client.files.content(file_id)
    with pytest.raises(NotFoundError):
        await staging.create(file_id)
    output = (await client.batches.retrieve(ended)).output_file_id
    assert len(rows_of(await staging.content(output))) == 9
    assert await staging.content(output) == await world.gateway.content(output)


async def expire_the_errors(clone: Database) -> None:
    """Let the time of an error file be over in the clone."""
    await write_to(clone, "UPDATE files SET expires_at = 1 WHERE kind = 'error'")
    assert await clone.rows("SELECT count(*) FROM files WHERE expires_at = 1") == [(1,)]


async def results_go_in_the_clone_alone(staging: InProcess, ended: str) -> None:
    """One is deleted, one expires: both are gone with all their rows."""
    batch = await staging.client().batches.retrieve(ended)
    assert batch.output_file_id is not None
    await staging.client().files.delete(batch.output_file_id)

    async def are_gone() -> bool:
        return not await staging.database.rows("SELECT id FROM files WHERE kind <> 'input'")

    await staging.eventually(are_gone)


async def both_go_on(production: World, staging: World, simulator: Simulator) -> None:
    """Each goes its whole way, with answers that are lost: what is searched for by tags is found by both."""
    staging.foreign = production.foreign
    staging.copied = frozenset(id_ for (id_,) in await staging.rows("SELECT id FROM batches"))
    for fault in FAULTS:
        simulator.add_fault(fault)
    async with anyio.create_task_group() as group:
        group.start_soon(travel, staging)
        group.start_soon(again, production)
    await staging.delete(next(iter(staging.files)), RUN)
    assert await broken(staging) == []


async def again(world: World) -> None:
    """What `travel` does, but under other names and on a file that was there before."""
    (file_id,) = world.files
    await world.create(file_id, "later")
    async with anyio.create_task_group() as group:
        group.start_soon(world.let_run, "later")
        await world.ended("later")
        group.cancel_scope.cancel()
    await world.upload()


async def production_ends_what_it_began(world: World, opened: str) -> None:
    """The open batch ends with all its results, and everything is as it must be."""
    async with anyio.create_task_group() as group:
        group.start_soon(world.let_run, "open")
        assert (await world.gateway.ended(opened)).status == "completed"
        group.cancel_scope.cancel()
    assert await broken(world) == []
    assert (await world.batch(EARLIER)).metadata == {JOURNEY: EARLIER}
    assert all(content == CONTENT for content in world.files.values())
