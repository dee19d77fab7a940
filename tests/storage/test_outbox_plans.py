"""Beside very many deliveries a claim reads few rows, whether the database has looked at the table or not."""

from __future__ import annotations

import re
import sqlite3
from collections import defaultdict
from collections.abc import AsyncGenerator, Generator
from contextlib import closing

import asyncpg
import pytest

from litebatch_sql import Queries, numbered
from litebatch_sql.migrations import load_migrations
from litebatch_sql.tables import TABLES
from tests.postgres import database_url

POSTGRES = Queries.load("litebatch_postgres", TABLES)
SQLITE = Queries.load("litebatch_sqlite", TABLES)
LIMIT = 100
EACH = 10
"""events of a subject"""
MOST_READ = 10 * LIMIT * EACH
"""rows and entries of indexes, where all but the first of each subject are passed over"""
MOST_STEPS = 100_000
"""of SQLite's machine: reading 100,000 rows takes more than a million"""
FEW = 1000
SIZES = [20_000, pytest.param(100_000, marks=pytest.mark.long)]
SINKS = {"full": ("'pending'", "1"), "dead": ("'dead'", "NULL"), "few": ("'pending'", "1")}
"""states of their deliveries, and when those are due: all is to be done, all is dead, little is to be done"""
CLAIMS = [(), ("ordered",), ("locked",), ("ordered", "locked")]


def filling(numbers: str, size: int) -> list[str]:
    """Statements that write so many events, and deliveries of them to each sink."""
    statements = [
        "INSERT INTO events (id, subject, seq, type, payload, created_at)"
        f" SELECT 'evt_' || (10000000 + n), 'batch_' || (n / {EACH}), 1 + n % {EACH}, 'x', '{{}}', n"
        f" FROM {numbers}"
    ]
    for name, (state, due) in SINKS.items():
        statements += [
            f"INSERT INTO sinks (name, is_ordered, registered_at, last_seen_at) VALUES ('{name}', 1, 1, 1)",
            "INSERT INTO event_deliveries"
            " (sink, event_id, subject, seq, state, attempts, next_check_at, epoch, created_at)"
            f" SELECT '{name}', id, subject, seq, {state}, 0, {due}, 0, 1 FROM events"
            f" WHERE created_at < {FEW if name == 'few' else size}",
        ]
    return statements


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module", params=SIZES)
async def server(anyio_backend: str, request: pytest.FixtureRequest) -> AsyncGenerator[asyncpg.Connection]:
    """A database that has never looked at what its tables hold."""
    async with database_url(fresh=True) as url:
        connection = await asyncpg.connect(url)
        await connection.execute("SET session_replication_role = replica")  # foreign keys hold
        for table in ("events", "event_deliveries"):
            await connection.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = false)")
        for statement in filling(f"generate_series(0, {request.param} - 1) AS n", request.param):
            await connection.execute(statement)
        yield connection
        await connection.close()


@pytest.fixture(
    scope="module", params=["unseen", "analyzed", pytest.param("outdated", marks=pytest.mark.long)]
)
async def connection(
    server: asyncpg.Connection, request: pytest.FixtureRequest
) -> AsyncGenerator[asyncpg.Connection]:
    """The same in a transaction: without statistics, with them, with those of a time with few deliveries."""
    transaction = server.transaction()
    await transaction.start()
    if request.param == "analyzed":
        await server.execute("ANALYZE events; ANALYZE event_deliveries; ANALYZE sinks")
    if request.param == "outdated":
        few = "sink = 'few' AND seq <= 6 AND event_id <= 'evt_10000060'"
        await server.execute("CREATE TEMPORARY TABLE kept AS SELECT * FROM event_deliveries")
        await server.execute("TRUNCATE event_deliveries")  # no entry of a removed row stays in an index
        await server.execute(f"INSERT INTO event_deliveries SELECT * FROM kept WHERE {few}")
        await server.execute("ANALYZE event_deliveries")
        await server.execute(f"INSERT INTO event_deliveries SELECT * FROM kept WHERE NOT ({few})")
    yield server
    await transaction.rollback()


async def plan(connection: asyncpg.Connection, sql: str, sink: str) -> str:
    """How a query was run: which rows were read, how often."""
    statement = numbered(sql)
    rows = [[f"evt_{10_000_000 + n}", 0, "worker", 1000, "error"] for n in range(LIMIT)]
    keys = str(rows).replace("'", '"')
    parameters = {"sink": sink, "limit": LIMIT, "keys": keys, "worker": "worker", "lease": 1000}
    explain = "EXPLAIN (ANALYZE, TIMING OFF, SUMMARY OFF, BUFFERS OFF)"
    found = await connection.fetch(f"{explain} {statement.sql}", *statement.arguments(parameters))
    return "\n".join(row[0] for row in found)


def rows_read(found: str) -> float:
    """From deliveries, those that were read in vain included."""
    read = 0.0
    for scan in re.split(r"\n(?=.*\bScan\b)", found):
        if re.match(r".*\bScan\b.* on event_deliveries", scan):
            told = re.search(r"actual rows=([\d.]+) loops=(\d+)", scan)
            removed = re.findall(r"Rows Removed by Filter: (\d+)", scan)
            read += float(told[1]) * int(told[2]) if told else 0.0
            read += sum(map(int, removed))
    return read


@pytest.mark.parametrize("options", CLAIMS)
@pytest.mark.parametrize("sink", SINKS)
async def test_a_claim_walks_the_index(
    connection: asyncpg.Connection, sink: str, options: tuple[str, ...]
) -> None:
    found = await plan(connection, POSTGRES.sql("due_deliveries", *options), sink)
    assert "Index Scan using event_deliveries_due on event_deliveries" in found, found
    assert "Sort" not in found, found
    assert rows_read(found) <= (0 if sink == "dead" else MOST_READ), found


@pytest.mark.parametrize(
    "name",
    [
        *("claim_deliveries", "claimed_deliveries", "remove_deliveries", "give_back_deliveries"),
        *("fail_deliveries", "hold_followers", "dead_deliveries", "untaken_deliveries", "queue_events"),
    ],
)
async def test_what_is_done_with_few_deliveries_reads_few(connection: asyncpg.Connection, name: str) -> None:
    sql = POSTGRES.sql(name)
    if name == "queue_events":
        sql += " ON CONFLICT DO NOTHING"
    found = await plan(connection, sql, "full")
    assert "Seq Scan on event_deliveries" not in found, found
    assert rows_read(found) <= MOST_READ, found


async def test_a_backlog_is_counted_in_one_pass(connection: asyncpg.Connection) -> None:
    found = await plan(connection, POSTGRES.sql("backlog"), "full")
    assert len(re.findall(r"Scan.* on event_deliveries", found)) == 1, found
    assert re.search(r"Join .*actual rows=3\.00 loops=1", found), found


@pytest.fixture(scope="module", params=SIZES)
def file(request: pytest.FixtureRequest) -> Generator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        for migration in load_migrations("litebatch_sqlite", SQLITE):
            connection.executescript(migration.sql)
        numbers = f"WITH RECURSIVE s (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM s LIMIT {request.param})"
        for statement in filling(f"({numbers} SELECT n FROM s)", request.param):
            connection.execute(statement)
        yield connection


def steps(connection: sqlite3.Connection, sql: str, sink: str) -> int:
    """How much SQLite's machine does for a query."""
    ticks: defaultdict[str, int] = defaultdict(int)

    def tick() -> int:
        ticks[sql] += 1
        return 0

    connection.set_progress_handler(tick, 100)
    connection.execute(sql, {"sink": sink, "limit": LIMIT, "now": 9}).fetchall()
    connection.set_progress_handler(None, 0)
    return 100 * ticks[sql]


@pytest.mark.parametrize("is_analyzed", [False, True])
@pytest.mark.parametrize("options", [(), ("ordered",)])
@pytest.mark.parametrize("sink", SINKS)
def test_a_claim_does_little_on_sqlite(
    file: sqlite3.Connection, sink: str, options: tuple[str, ...], is_analyzed: bool
) -> None:
    file.execute("BEGIN")
    if is_analyzed:
        file.execute("ANALYZE")
    assert steps(file, SQLITE.sql("due_deliveries", *options), sink) < MOST_STEPS
    file.execute("ROLLBACK")


def test_a_backlog_is_counted_in_one_pass_on_sqlite(file: sqlite3.Connection) -> None:
    found = [row[3] for row in file.execute(f"EXPLAIN QUERY PLAN {SQLITE.sql('backlog')}")]
    [passed] = [line for line in found if "event_deliveries" in line]
    assert passed.startswith("SCAN event_deliveries USING INDEX event_deliveries_by_subject")
    assert not any("TEMP B-TREE" in line for line in found), found
