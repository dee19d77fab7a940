"""Results that have expired: nothing of them stays behind, also where they were written by ourselves."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from openai import NotFoundError
from openai.types import Batch

from litebatch_asgi.simulator.faults import Fault
from tests.database import Database
from tests.harness import QUICK, Gateway, ids_of, lines, running_gateway

HOUR = 3600


def in_days(days: float) -> Callable[[], datetime]:
    return lambda: datetime.now(UTC) + timedelta(days=days)


async def cancelled(gateway: Gateway, **options: Any) -> Batch:
    """A batch that no deployment took: its only result is an error file of our own."""
    gateway.simulator.add_fault(Fault(call="create_batch", status=429, times=None))
    batch = await gateway.create((await gateway.upload(lines(3))).id, **options)
    await gateway.client().batches.cancel(batch.id)
    return await gateway.reached(batch.id, "cancelled")


async def test_an_error_file_of_our_own_is_removed_once_it_has_expired(
    tmp_path: Path, database: Database
) -> None:
    async with running_gateway(tmp_path, database=database) as gateway:
        batch = await cancelled(gateway, output_expires_after={"anchor": "created_at", "seconds": HOUR})
        assert ids_of(await gateway.content(batch.error_file_id)) == ["request-0", "request-1", "request-2"]
    assert await left(database, batch.error_file_id) == (1, 1)
    async with running_gateway(tmp_path, database=database, clock=in_days(1)) as gateway:

        async def is_gone() -> bool:
            return await left(database, batch.error_file_id) == (0, 0)

        await gateway.eventually(is_gone)
        assert (await gateway.client().batches.retrieve(batch.id)).error_file_id == batch.error_file_id
        assert len((await gateway.client().files.list()).data) == 1


async def test_an_ended_batch_is_forgotten_in_the_end(tmp_path: Path, database: Database) -> None:
    """Once its results are gone and it is older than `keep_ended_days`."""
    settings = replace(QUICK, keep_ended_days=35.0)
    async with running_gateway(tmp_path, database=database) as gateway:
        batch = await cancelled(gateway)

        async def nobody_looks() -> bool:
            return await database.rows("SELECT 1 FROM jobs WHERE next_check_at IS NOT NULL") == []

        await gateway.eventually(nobody_looks)
    async with running_gateway(tmp_path, database=database, settings=settings, clock=in_days(34)) as gateway:

        async def results_are_gone() -> bool:
            return await left(database, batch.error_file_id) == (0, 0)

        await gateway.eventually(results_are_gone)
        assert (await gateway.client().batches.retrieve(batch.id)).status == "cancelled"
    async with running_gateway(tmp_path, database=database, settings=settings, clock=in_days(36)) as gateway:

        async def is_forgotten() -> bool:
            return await database.rows(f"SELECT 1 FROM batches WHERE id = '{batch.id}'") == []

        await gateway.eventually(is_forgotten)
        with pytest.raises(NotFoundError):
            await gateway.client().batches.retrieve(batch.id)
    for table, of_batch in (("jobs", "batch_id"), ("events", "subject")):
        rows = await database.rows(f"SELECT 1 FROM {table} WHERE {of_batch} = '{batch.id}'")
        assert rows == [], table


async def left(database: Database, file_id: str | None) -> tuple[int, int]:
    """How many rows there are of a file, and of its parts."""
    files = await database.rows(f"SELECT 1 FROM files WHERE id = '{file_id}'")
    parts = await database.rows(f"SELECT 1 FROM file_parts WHERE file_id = '{file_id}'")
    return len(files), len(parts)
