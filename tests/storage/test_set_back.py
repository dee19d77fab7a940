"""Clocks that were ahead and are set right: nothing waits until they have come to where they were."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import anyio
import pytest
from msgspec.structs import replace

from litebatch_asgi.app import open_storage
from litebatch_asgi.simulator import Simulator
from litebatch_asgi.testing.conformance.base import stored_job
from tests.database import BACKENDS, Database, database_on
from tests.faults.stage import HELD, gateway_on
from tests.harness import QUICK, deployments

YEAR = 365 * 86_400_000_000
TIMES = {
    "jobs": ("next_check_at", "refresh_from", "claimed_until", "created_at", "submit_started_at"),
    "file_copies": ("next_check_at", "claimed_until", "started_at"),
    "batches": ("created_at", "expires_at", "answering_until"),
    "heartbeats": ("since", "seen_at"),
}


async def lived_ahead(database: Database, years: int) -> None:
    """Have the database look as if its clock had been that much ahead all the time."""
    for table, columns in TIMES.items():
        changes = ", ".join(f"{column} = {column} + {years * YEAR}" for column in columns)
        await database.change(f"UPDATE {table} SET {changes}")


async def times(database: Database, table: str, columns: Sequence[str]) -> list[tuple[int | None, ...]]:
    return await database.rows(f"SELECT {', '.join(columns)} FROM {table}")


@pytest.mark.parametrize("backend", BACKENDS)
async def test_a_batch_goes_on_after_it(tmp_path: Path, backend: str) -> None:
    """Also where its jobs and copies were claimed by a process that is gone."""
    simulator = Simulator(settings=HELD)
    settings = replace(QUICK, lease_seconds=600)
    async with database_on(backend, tmp_path) as database, simulator.running() as provider:
        served = deployments(provider)
        async with gateway_on(
            simulator, provider, tmp_path, served=served, settings=settings, database=database
        ) as gateway:
            batch = await gateway.create((await gateway.upload()).id)
        await database.change(
            f"UPDATE jobs SET claimed_by = 'gone', claimed_until = {int(time.time() * 1e6) + 1_000_000}"
        )
        await lived_ahead(database, 10)
        for name in ("east", "west"):
            simulator.account(name).release()
        async with gateway_on(
            simulator, provider, tmp_path, served=served, settings=settings, database=database
        ) as gateway:
            with anyio.fail_after(30):
                assert (await gateway.ended(batch.id)).status == "completed"


@pytest.mark.parametrize("backend", BACKENDS)
async def test_what_is_due_keeps_its_distance(tmp_path: Path, backend: str) -> None:
    """All of it comes back once, by as much as the clock did; what is over stays over."""
    async with database_on(backend, tmp_path) as database:
        storage = open_storage(database.url)
        await storage.open()
        for _ in range(3):
            await stored_job(storage)
        await storage.heartbeats.beat("a", {}, lapse_seconds=60)
        columns = ("next_check_at", "claimed_until")
        now = int(time.time() * 1e6)
        await database.change(
            f"UPDATE jobs SET next_check_at = {now + 5 * YEAR}, claimed_until = {now + YEAR}"
        )
        await database.change(f"UPDATE heartbeats SET seen_at = {now + YEAR}, since = {now - YEAR}")
        for _ in range(2):
            await storage.heartbeats.beat("b", {}, lapse_seconds=60)
            for due, claimed in await times(database, "jobs", columns):
                assert due is not None
                assert claimed is not None
                assert abs(due - now - 4 * YEAR) < 60_000_000
                assert abs(claimed - now) < 60_000_000
        for since, seen in await times(database, "heartbeats", ("since", "seen_at")):
            assert since is not None
            assert seen is not None
            assert since <= seen <= int(time.time() * 1e6) + 1_000_000
        await storage.close()


@pytest.mark.parametrize("backend", BACKENDS)
async def test_a_clock_that_was_set_by_seconds_is_waited_for(tmp_path: Path, backend: str) -> None:
    async with database_on(backend, tmp_path) as database:
        storage = open_storage(database.url)
        await storage.open()
        await stored_job(storage)
        await storage.heartbeats.beat("a", {}, lapse_seconds=60)
        now = int(time.time() * 1e6)
        await database.change(f"UPDATE jobs SET next_check_at = {now + YEAR}")
        await database.change(f"UPDATE heartbeats SET seen_at = {now + 30_000_000}")
        await storage.heartbeats.beat("b", {}, lapse_seconds=60)
        assert await times(database, "jobs", ("next_check_at",)) == [(now + YEAR,)]
        await storage.close()
