"""Stores that are away for a while, or slow: nothing is lost, and nothing comes twice."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from litebatch_asgi.failpoints import calling
from litebatch_asgi.simulator import Fault, RowFaults
from tests.database import Database
from tests.harness import ids_of, lines, running_gateway
from tests.stores.test_journey import MANY, cancelled, contents, rows, stored_in, swept_often

__all__ = ["swept_often"]


@pytest.mark.parametrize("way", ["cancelled", "completed"])
async def test_a_store_that_is_away_while_a_batch_ends(
    tmp_path: Path, database: Database, caplog: pytest.LogCaptureFixture, way: str
) -> None:
    """The batch waits for it; then each line comes out once, and is charged once."""
    count = MANY if way == "cancelled" else 3000
    told = "rows cannot be kept now" if way == "cancelled" else "results cannot be kept now"
    is_told = partial(has_said, caplog, told)
    settings, folder, away = stored_in(tmp_path), tmp_path / "contents", tmp_path / "away"
    async with running_gateway(tmp_path, database=database, settings=settings) as gateway:
        file = await gateway.upload(lines(count))
        folder.rename(away)
        if way == "cancelled":
            gateway.simulator.add_fault(Fault(call="create_batch", status=429, times=None))
            batch = await gateway.create(file.id)
            await gateway.client().batches.cancel(batch.id)
        else:
            gateway.simulator.add_fault(Fault(call="run_batch", times=None, rows=RowFaults(doubled=1)))
            batch = await gateway.create(file.id)
        await gateway.eventually(partial(is_told, 2))
        if way == "completed":  # nothing is read again as long as it cannot be kept
            reads = len(gateway.simulator.journal.select("stream_file"))
            await gateway.eventually(partial(is_told, 4))
            assert len(gateway.simulator.journal.select("stream_file")) == reads
        seen = await gateway.client().batches.retrieve(batch.id)
        assert (seen.status in ("cancelling", "finalizing"), seen.output_file_id) == (True, None)
        away.rename(folder)
        ended = await gateway.ended(batch.id)
        assert ended.status == way
        output, error = await gateway.results(ended)
        assert ids_of(output + error) == sorted(f"request-{number}" for number in range(count))
        charged = await database.rows("SELECT count(*) FROM charges")
        assert charged == [(int(way == "completed"),)]

        async def is_one_left() -> bool:
            return await rows(database) == ["kept"] and len(contents(tmp_path)) == 1

        await gateway.eventually(is_one_left)
    assert "could not be looked after" not in caplog.text


async def has_said(caplog: pytest.LogCaptureFixture, message: str, times: int) -> bool:
    """Whether the log has a message so often."""
    return caplog.messages.count(message) >= times


async def claimed_until(database: Database) -> int:
    """Until when somebody has a content, in microseconds."""
    [(until,)] = await database.rows("SELECT max(claimed_until) FROM contents")
    return int(until)


async def test_a_store_that_is_slower_than_any_lease(tmp_path: Path, database: Database) -> None:
    """Whoever writes is not taken for dead."""
    settings = stored_in(tmp_path, keep_originals="always", lease_seconds=1.5)
    async with running_gateway(tmp_path, database=database, settings=settings) as gateway:

        async def slowly() -> None:
            """Wait until the claim that it began with is over."""
            first = await claimed_until(database)

            async def is_over() -> bool:
                return await claimed_until(database) >= first + settings.lease_seconds * 1e6

            await gateway.eventually(is_over)

        with calling("content.begun", slowly, each_time=True):
            batch = await cancelled(gateway)
        error = await gateway.content(batch.error_file_id)
        assert ids_of(error) == sorted(f"request-{number}" for number in range(MANY))
        assert await rows(database) == ["kept", "kept"]
        assert len(contents(tmp_path)) == 2
