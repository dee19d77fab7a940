"""Results that have expired: nothing of them stays behind, also where they were written by ourselves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from litebatch_asgi.simulator.faults import Fault
from tests.database import Database
from tests.harness import ids_of, lines, running_gateway

HOUR = 3600


def tomorrow() -> datetime:
    return datetime.now(UTC) + timedelta(days=1)


async def test_an_error_file_of_our_own_is_removed_once_it_has_expired(
    tmp_path: Path, database: Database
) -> None:
    async with running_gateway(tmp_path, database=database) as gateway:
        gateway.simulator.add_fault(Fault(call="create_batch", status=429, times=None))
        batch = await gateway.create(
            (await gateway.upload(lines(3))).id,
            output_expires_after={"anchor": "created_at", "seconds": HOUR},
        )
        await gateway.client().batches.cancel(batch.id)
        batch = await gateway.reached(batch.id, "cancelled")
        assert ids_of(await gateway.content(batch.error_file_id)) == ["request-0", "request-1", "request-2"]
    assert await left(database, batch.error_file_id) == (1, 1)
    async with running_gateway(tmp_path, database=database, clock=tomorrow) as gateway:

        async def is_gone() -> bool:
            return await left(database, batch.error_file_id) == (0, 0)

        await gateway.eventually(is_gone)
        assert (await gateway.client().batches.retrieve(batch.id)).error_file_id == batch.error_file_id
        assert len((await gateway.client().files.list()).data) == 1


async def left(database: Database, file_id: str | None) -> tuple[int, int]:
    """How many rows there are of a file, and of its parts."""
    files = await database.rows(f"SELECT 1 FROM files WHERE id = '{file_id}'")
    parts = await database.rows(f"SELECT 1 FROM file_parts WHERE file_id = '{file_id}'")
    return len(files), len(parts)
