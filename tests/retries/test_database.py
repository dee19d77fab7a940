"""What repetitions cost: keys are forgotten in time, and nothing is searched through."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from contextlib import closing
from datetime import UTC, datetime, timedelta

import anyio
import pytest

from litebatch_asgi.errors import StorageUnavailable
from litebatch_asgi.failpoints import calling
from litebatch_asgi.testing import a_file, a_request
from litebatch_sql import Queries
from litebatch_sql.migrations import load_migrations
from litebatch_sql.tables import TABLES
from tests.harness import InProcess
from tests.retries.requests import client, create, upload


async def test_forgotten_keys_are_removed_by_and_by(gateway: InProcess) -> None:
    """Whenever a key is taken, some of them go."""
    old = datetime.now(UTC) - timedelta(hours=25)
    for number in range(25):
        file = a_file()
        await gateway.storage.create_file(file, [], request=a_request(file, key=f"{number}", at=old))
    async with client(gateway.address) as http:
        for number in range(2):
            answer = await upload(http, {"idempotency-key": f"new {number}"})
            assert answer.status_code == 200
    assert await gateway.database.rows("SELECT count(*) FROM idempotency") == [(2,)]


async def test_only_creates_without_a_key_are_noted(gateway: InProcess) -> None:
    """With a key nothing is to be written when the answer is out."""
    async with client(gateway.address) as http:
        await upload(http, {"idempotency-key": "k"})
        await upload(http, {})

    async def is_noted() -> bool:
        return await gateway.database.rows("SELECT 1 FROM files WHERE answered_at IS NOT NULL") == [(1,)]

    await gateway.eventually(is_noted)
    assert await gateway.database.rows("SELECT 1 FROM files WHERE request_fingerprint IS NULL") == [(1,)]


@pytest.mark.parametrize("fails", [False, True])
async def test_answers_to_creates_are_noted_together_while_the_database_is_busy(
    gateway: InProcess, fails: bool
) -> None:
    """However many are made meanwhile, they cost one transaction more; and each of them is noted.

    Where a transaction fails, those that it was to note are not.
    """
    go, passed = anyio.Event(), list[None]()

    async def late() -> None:
        passed.append(None)
        await go.wait()
        if fails and len(passed) == 1:
            raise StorageUnavailable("the database is away for a moment")

    with calling("answered.noting", late, each_time=True):
        async with client(gateway.address) as http:
            file_id = (await upload(http, {})).json()["id"]
            await create(http, file_id, {})

            async def is_writing() -> bool:
                return len(passed) == 1

            await gateway.eventually(is_writing)
            for _ in range(5):
                await create(http, file_id, {})
        go.set()

        async def are_noted() -> bool:
            noted = "SELECT count(*) FROM batches WHERE answered_at IS NOT NULL AND answering_until IS NULL"
            return await gateway.database.rows(noted) == [(5 if fails else 6,)]

        await gateway.eventually(are_noted)
        assert len(passed) == 2


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("unanswered_files", "files_unanswered (request_fingerprint=? AND created_at>?)"),
        ("unanswered_batches", "batches_unanswered (request_fingerprint=? AND created_at>?)"),
        ("get_key", "sqlite_autoindex_idempotency_1 (owner=? AND key=?)"),
        ("sweep_keys", "idempotency_by_time (created_at<?)"),
        ("reserved", "sqlite_autoindex_reservations_1 (scope=?)"),
        ("release", "reservations_by_batch (batch_id=?)"),
    ],
)
def test_queries_walk_indexes(name: str, index: str) -> None:
    parameters: defaultdict[str, int] = defaultdict(lambda: 1)
    queries = Queries.load("litebatch_sqlite", TABLES)
    with closing(sqlite3.connect(":memory:")) as connection:
        for migration in load_migrations("litebatch_sqlite", queries):
            connection.executescript(migration.sql)
        plan = connection.execute(f"EXPLAIN QUERY PLAN {queries.sql(name)}", parameters).fetchall()
    assert index in "\n".join(row[3] for row in plan)
