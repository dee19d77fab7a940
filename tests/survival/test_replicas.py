"""Many processes on one database: they set it up at once, and one dies."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import asyncpg
import pytest
from openai import APIConnectionError

from litebatch_asgi.simulator import SimulatorSettings
from litebatch_sql.queries import Queries
from litebatch_sql.tables import TABLES
from tests.database import Database
from tests.harness import lines
from tests.postgres import empty_database_url
from tests.survival.server import KEY, Deployed, replicas

BATCHES = 90
AT_ONCE = 4
"""creates that each process has to do at a time"""
LEASE_SECONDS = 3.0
LOOK_SECONDS = 3.0
"""a look at what is due, on a busy machine"""
HOLDS = "SELECT id, epoch FROM jobs WHERE claimed_by IS NOT NULL"


async def test_who_waited_while_another_set_the_database_up_sees_that_it_is_done() -> None:
    """A session may remember that it has seen no table: it has to look again."""
    queries = Queries.load("litebatch_postgres", TABLES)
    asked = queries.sql("has_installation")
    async with empty_database_url() as url, connected(url) as first, connected(url) as second:
        assert await second.fetchrow(asked) is None
        for connection in (first, second):
            await connection.execute("BEGIN")
        await first.execute(queries.sql("lock_schema"))
        async with anyio.create_task_group() as group:
            group.start_soon(second.execute, queries.sql("lock_schema"))
            await first.execute("CREATE TABLE installation (schema_version int)")
            await first.execute("COMMIT")
        assert await second.fetchrow(asked) is not None


@asynccontextmanager
async def connected(url: str) -> AsyncGenerator[asyncpg.Connection[Any]]:
    """A connection for the length of a block."""
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


@pytest.mark.parametrize("backend", ["postgresql"])
async def test_three_processes_do_the_work_of_one_that_is_killed(tmp_path: Path, database: Database) -> None:
    settings = SimulatorSettings(validating_seconds=0, running_seconds=0.1, finalizing_seconds=0)
    async with replicas(3, tmp_path, settings, database, lease_seconds=LEASE_SECONDS) as gateways:
        for gateway in gateways:
            await gateway.server.start("place.answered=25*kill" if gateway is gateways[-1] else "")
        for gateway in gateways:
            assert await gateway.server.ready()
        made = await create_on(gateways)
        await gateways[-1].server.died()
        held = set(await database.rows(HOLDS))

        async def picked_up() -> bool:
            return not held & set(await database.rows(HOLDS))

        with anyio.fail_after(LEASE_SECONDS + LOOK_SECONDS):
            await gateways[0].eventually(picked_up)
        client = gateways[0].client(KEY)
        batches = [batch.id async for batch in client.batches.list(limit=100)]
        assert made <= set(batches)
        assert BATCHES - AT_ONCE <= len(batches) <= BATCHES
        ended = Counter([(await gateways[0].ended(batch_id, key=KEY)).status for batch_id in batches])
        assert ended == {"completed": len(batches)}
        await each_is_settled_once(gateways[0], database, len(batches))


async def create_on(gateways: list[Deployed]) -> set[str]:
    """Create batches with all processes at once, more of them with those that live on; what they said."""
    file = await gateways[0].upload(lines(2), key=KEY)
    left = iter(range(BATCHES))
    made: set[str] = set()

    async def create(gateway: Deployed) -> None:
        with suppress(APIConnectionError):
            for _ in left:
                made.add((await gateway.create(file.id, key=KEY)).id)

    async with anyio.create_task_group() as group:
        for gateway in gateways:
            for _ in range(AT_ONCE):
                group.start_soon(create, gateway)
    return made


async def each_is_settled_once(gateway: Deployed, database: Database, count: int) -> None:
    """As many provider jobs as batches, each of them settled and charged once."""
    kept = {job.id for job in gateway.provider_jobs() if job.status not in ("cancelled", "cancelling")}
    settled = await database.rows(
        "SELECT provider_batch_id FROM jobs JOIN charges ON job_id = jobs.id WHERE state = 'settled'"
    )
    assert len(kept) == len(settled) == count
    assert {row[0] for row in settled} == kept
