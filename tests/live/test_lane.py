"""A server that has no batches gets them: requests are sent one by one, results come out once each."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from litebatch_asgi.simulator import Latency
from tests.database import Database
from tests.harness import lines, rows_of
from tests.live.stage import SERVER, each_once, live_gateway, sent


async def test_a_batch_runs_request_by_request(tmp_path: Path, database: Database) -> None:
    async with live_gateway(tmp_path, database) as gateway:
        file = await gateway.upload(lines(40))
        batch = await gateway.create(file.id)
        ended = await gateway.ended(batch.id)
        assert ended.status == "completed"
        assert await each_once(gateway, ended, 40) == {}
        assert sent(gateway) == {1: 40}
        assert await gateway.content(file.id) == lines(40)
        rows = rows_of(await gateway.content(ended.output_file_id))
        assert [row["custom_id"] for row in rows] == [f"request-{number}" for number in range(40)]


async def test_many_ranges_and_many_commits(tmp_path: Path, database: Database) -> None:
    async with live_gateway(tmp_path, database) as gateway:
        file = await gateway.upload(lines(1300))
        ended = await gateway.ended((await gateway.create(file.id)).id)
        assert await each_once(gateway, ended, 1300) == {}
        assert sent(gateway) == {1: 1300}


async def test_an_input_that_is_deleted_is_read_until_its_batch_has_ended(
    tmp_path: Path, database: Database
) -> None:
    """Then its original goes as well."""
    slow = replace(SERVER, latency=Latency(seconds=0.01), max_running=8)
    async with live_gateway(tmp_path, database, server=slow) as gateway:
        file = await gateway.upload(lines(1300))
        batch = await gateway.create(file.id)
        await gateway.client().files.delete(file.id)
        kept = "SELECT 1 FROM contents WHERE state = 'kept'"
        assert await gateway.database.rows(kept) == [(1,)]
        ended = await gateway.ended(batch.id)
        assert await each_once(gateway, ended, 1300) == {}

        async def is_given_up() -> bool:
            return await gateway.database.rows(kept) == []

        await gateway.eventually(is_given_up)


async def test_a_cancelled_batch_keeps_what_was_done(tmp_path: Path, database: Database) -> None:
    slow = replace(SERVER, latency=Latency(seconds=0.2), max_running=4)
    async with live_gateway(tmp_path, database, server=slow) as gateway:
        batch = await gateway.create((await gateway.upload(lines(200))).id)

        async def some_are_done() -> bool:
            counts = (await gateway.client().batches.retrieve(batch.id)).request_counts
            return counts is not None and counts.completed > 5

        await gateway.eventually(some_are_done)
        await gateway.client().batches.cancel(batch.id)
        ended = await gateway.ended(batch.id)
        assert ended.status == "cancelled"
        codes = await each_once(gateway, ended, 200)
        assert codes.keys() == {"batch_cancelled"}
        assert 100 < codes["batch_cancelled"] < 195
        running = gateway.simulator.requests.totals(account="live").requests
        assert running < 200
        await gateway.client().files.delete(str(ended.output_file_id))

        async def rows_are_swept() -> bool:
            return await gateway.database.rows("SELECT 1 FROM line_results WHERE kind = 'output'") == []

        await gateway.eventually(rows_are_swept)
