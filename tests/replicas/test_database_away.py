"""The database is away for a while: requests are told so, and everything goes on by itself afterwards."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncGenerator, Awaitable
from contextlib import suppress
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread
import asyncpg
import httpx2
import openai
import pytest

from litebatch_postgres import PostgresStorage
from tests.database import Database
from tests.harness import lines, running_gateway
from tests.postgres import Server, needs_socket, own_server
from tests.replicas.running import LONG_LEASE, SERVE, Replica, Site, site, stalled

pytestmark = needs_socket


@pytest.fixture
def backend() -> str:
    return "postgresql"


@pytest.fixture
async def server() -> AsyncGenerator[Server]:
    """A PostgreSQL of the test's own."""
    context = own_server()
    server = await anyio.to_thread.run_sync(context.__enter__)
    yield server
    await anyio.to_thread.run_sync(context.__exit__, None, None, None)


@pytest.fixture
async def alone(tmp_path: Path, server: Server) -> AsyncGenerator[Site]:
    async with site(tmp_path, server.url()) as running:
        yield running


async def unanswered(call: Awaitable[object]) -> None:
    """Make a call that may not succeed."""
    with suppress(openai.APIStatusError):
        await call


async def health(replica: Replica, name: str) -> int:
    async with httpx2.AsyncClient(base_url=replica.address) as http:
        return (await http.get(f"/health/{name}")).status_code


async def is_ready(replica: Replica) -> bool:
    return await health(replica, "readiness") == 200


async def assert_told(replica: Replica, batch_id: str, file_id: str) -> None:
    async with replica.http() as http:
        asked = {"input_file_id": file_id, "endpoint": "/v1/chat/completions", "completion_window": "24h"}
        answers = [
            await http.get(f"/batches/{batch_id}"),
            await http.get("/files"),
            await http.get(f"/files/{file_id}/content"),
            await http.post("/batches", json=asked),
            await http.post(f"/batches/{batch_id}/cancel"),
            await http.post("/files", files={"file": lines()}, data={"purpose": "batch"}),
        ]
    for answer in answers:
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "storage_unavailable")
        assert int(answer.headers["retry-after"]) > 0


@pytest.mark.parametrize("mode", ["fast", "immediate"])
async def test_what_is_under_way_goes_on_when_it_is_back(alone: Site, server: Server, mode: str) -> None:
    replica = await alone.replica(provider_timeout_seconds=25)
    file = await replica.upload(lines(20))
    results = alone.simulator.add_fault(stalled("stream_file"))
    first = await replica.create(file.id)
    await alone.simulator.until(lambda: results.struck > 0)
    creates = alone.simulator.add_fault(stalled("create_batch", when="after"))
    uploads = alone.simulator.add_fault(stalled("upload_file", when="after"))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(unanswered, replica.create(file.id))
        await alone.simulator.until(lambda: creates.struck > 0)
        tasks.start_soon(unanswered, replica.upload(lines(7)))
        await alone.simulator.until(lambda: uploads.struck == 2)
        await anyio.to_thread.run_sync(partial(server.stop, mode))
        await assert_told(replica, first.id, file.id)
        assert (await health(replica, "readiness"), await health(replica, "liveliness")) == (503, 200)
        for fault in (results, creates, uploads):
            alone.simulator.remove_fault(fault)
    await anyio.to_thread.run_sync(server.start)
    with anyio.fail_after(LONG_LEASE / 3):
        await replica.eventually(partial(is_ready, replica))
        ids = [batch.id async for batch in replica.client().batches.list()]
        batches = [await replica.ended(batch_id) for batch_id in ids]
    assert [batch.status for batch in batches] == ["completed", "completed"]
    assert first.id in ids
    assert [job.status for job in replica.provider_jobs()] == ["completed", "completed"]
    assert [each.id async for each in replica.client().files.list(purpose="batch")] == [file.id]

    async def only_the_first_is_left() -> bool:
        return {len(replica.provider_files(name)) for name in ("east", "west")} == {1}

    await replica.eventually(only_the_first_is_left)
    assert replica.log("the database answers again")
    assert await replica.stop() == 0


async def test_a_worker_that_dies_meanwhile_is_replaced_when_it_is_back(alone: Site, server: Server) -> None:
    replica = await alone.replica(*SERVE, "--workers", "2")
    before = await replica.served_by(2)
    await anyio.to_thread.run_sync(server.stop)
    os.kill(min(before), signal.SIGKILL)

    async def could_not_start() -> bool:
        return len(replica.log("a worker has died")) > 1

    await replica.eventually(could_not_start)
    assert await health(replica, "liveliness") == 200
    await anyio.to_thread.run_sync(server.start)
    await replica.served_by(3)
    assert await replica.stop() == 0


async def test_without_a_free_connection_a_request_waits_a_little(tmp_path: Path, database: Database) -> None:
    storage = PostgresStorage(database.url, max_pool_size=1, acquire_seconds=1.5)
    async with running_gateway(
        tmp_path, database=database, storage=storage, names=("east",), reconciler=False
    ) as gateway:
        batch = await gateway.create((await gateway.upload()).id)
        other = await asyncpg.connect(database.url)
        blocking = other.transaction()
        await blocking.start()
        await other.execute("LOCK TABLE batches")
        async with gateway.http() as http, anyio.create_task_group() as tasks:
            answers: list[int] = []

            async def ask() -> None:
                answers.append((await http.get(f"/batches/{batch.id}")).status_code)

            tasks.start_soon(ask)
            tasks.start_soon(ask)
            await gateway.eventually(partial(_is, answers, [503]))
            await blocking.rollback()
            await gateway.eventually(partial(_is, answers, [503, 200]))
        await other.close()


async def _is(answers: list[int], expected: list[int]) -> bool:
    return answers == expected
