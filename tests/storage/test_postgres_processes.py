"""Several processes on one PostgreSQL database, and processes that are killed."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from litebatch_asgi.models import FileChange
from litebatch_asgi.testing import a_file
from litebatch_asgi.testing.conformance.base import stored_file
from litebatch_postgres import PostgresStorage
from litebatch_sql import Queries
from litebatch_sql.migrations import load_migrations
from litebatch_sql.tables import TABLES
from tests.postgres import database_url, empty_database_url, run_on

ROOT = Path(__file__).parents[2]


@contextmanager
def running(program: str, url: str) -> Generator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.storage.processes", program, url]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


async def words(process: subprocess.Popen[str], count: int) -> list[str]:
    assert process.stdout is not None
    return [(await asyncio.to_thread(process.stdout.readline)).strip() for _ in range(count)]


@pytest.fixture
async def url() -> AsyncGenerator[str]:
    async with database_url() as url:
        yield url


async def test_four_processes_set_up_one_database_at_once() -> None:
    async with empty_database_url() as url:
        with ExitStack() as stack:
            processes = [stack.enter_context(running("open_once", url)) for _ in range(4)]
            said = [(await words(process, 1))[0] for process in processes]
            codes = [await asyncio.to_thread(process.wait, 30) for process in processes]
        assert codes == [0, 0, 0, 0]
        assert len(set(said)) == 1
        newest = len(load_migrations("litebatch_postgres", Queries.load("litebatch_postgres", TABLES)))
        assert await run_on(url, "SELECT id, schema_version FROM installation") == [(said[0], newest)]


@pytest.mark.parametrize("acknowledged", [1, 20])
async def test_nothing_acknowledged_is_lost_when_a_writer_is_killed(url: str, acknowledged: int) -> None:
    with running("write_for_ever", url) as process:
        batch_ids = await words(process, acknowledged)
        process.kill()
    storage = PostgresStorage(url)
    await storage.open()
    for batch_id in batch_ids:
        state = await storage.get_batch_state(batch_id)
        assert state is not None
        assert len(state.jobs) == 3
    await storage.close()


async def test_a_transaction_dies_with_its_process(url: str) -> None:
    """What it has locked comes free at once."""
    storage = PostgresStorage(url)
    await storage.open()
    with running("stay_in_a_transaction", url) as process:
        [file_id] = await words(process, 1)
        process.kill()
    assert await storage.get_file(file_id) is None
    await storage.create_file(a_file(id=file_id), [])
    await storage.close()


async def test_nobody_waits_for_another_process_s_transaction(url: str) -> None:
    storage = PostgresStorage(url)
    await storage.open()
    file = await stored_file(storage)
    with running("stay_in_a_transaction", url) as process:
        await words(process, 1)
        after = await storage.change_file(file.id, lambda _: FileChange(remove=True))
        assert after.file == file
    await storage.close()
