"""At scale each query walks an index that was made for it, and sorts nothing."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import AsyncGenerator
from typing import Any

import asyncpg
import pytest

from litebatch_asgi.testing import a_batch, a_copy, a_file, a_job, a_part, a_shard
from litebatch_asgi.testing.conformance.base import file_writing, stored_batch
from litebatch_postgres import PostgresStorage
from litebatch_sql import Queries, Table, numbered
from litebatch_sql.tables import BATCHES, COPIES, FILES, JOBS, PARTS, SHARDS, TABLES
from tests.postgres import database_url

ROWS = 20_000
QUERIES = Queries.load("litebatch_postgres", TABLES)
ONLY_ONE = '[["job-1", 1, "worker"]]'
ONE_COPY = '[["file-1", 0, "east", 1, "worker"]]'


def copied(table: Table[Any], **own: str) -> str:
    """A statement that writes `ROWS` rows like the only one of a table."""
    values = ", ".join(own.get(column, f'"{column}"') for column in table.columns)
    return (
        f"INSERT INTO {table.name} ({table.sql('columns')})"
        f" SELECT {values} FROM {table.name}, generate_series(1, {ROWS}) AS n"
    )


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def connection(anyio_backend: str) -> AsyncGenerator[asyncpg.Connection]:
    async with database_url(fresh=True) as url:
        storage = PostgresStorage(url)
        await storage.open()
        file = a_file()
        await storage.create_file(file, [a_copy(file)], shards=[a_shard(file)])
        await storage.change_file(file.id, file_writing(parts=(a_part(file),)))
        batch = a_batch(file)
        await stored_batch(storage, a_job(batch), batch=batch)
        await storage.close()
        connection = await asyncpg.connect(url)
        later = "created_at + n"
        owner = "'owner-' || n % 5"
        purpose = "CASE WHEN n % 50 = 0 THEN 'batch' ELSE 'batch_output' END"
        await connection.execute(
            copied(FILES, id="'file-' || n", owner=owner, purpose=purpose, created_at=later)
        )
        await connection.execute(
            copied(COPIES, file_id="'file-' || n", owner=owner, next_check_at="next_check_at + n")
        )
        await connection.execute(
            "INSERT INTO file_models SELECT id, 'model-' || n % 4, owner, purpose, created_at"
            " FROM files, generate_series(0, 1) AS n WHERE id LIKE 'file-%'"
        )
        status = "CASE WHEN n % 2 = 0 THEN 'failed' ELSE 'completed' END"
        batches = {"owner": owner, "created_at": later, "status": status}
        batches["model"] = "'model-' || n % 4"
        await connection.execute(copied(BATCHES, id="'batch-' || n", input_file_id="'file-' || n", **batches))
        await connection.execute(
            copied(
                JOBS,
                id="'job-' || n",
                batch_id="'batch-' || n",
                owner=owner,
                state="'settled'",
                created_at=later,
                ended_at=later,
            )
        )
        derived = "CASE WHEN n % 2 = 1 THEN 'batch-' || n END"
        await connection.execute(copied(SHARDS, file_id="'file-' || n", batch_id=derived))
        await connection.execute(copied(PARTS, file_id="'file-' || n"))
        await connection.execute(
            "INSERT INTO reservations (scope, batch_id, requests, tokens, created_at)"
            f" SELECT 'team:' || n % 5, 'batch-' || n, 1, 1, n FROM generate_series(1, {ROWS}) AS n"
        )
        await connection.execute("INSERT INTO sinks VALUES ('log', 0, 1, 1)")
        await connection.execute(
            "INSERT INTO events SELECT 'evt-' || n, 'batch-' || n, 1, 'x', NULL, NULL, '{}', n"
            f" FROM generate_series(1, {ROWS}) AS n"
        )
        await connection.execute(
            "INSERT INTO event_deliveries SELECT 'log', 'evt-' || n, 'batch-' || n, 1, NULL,"
            " CASE WHEN n % 2 = 0 THEN 'dead' ELSE 'pending' END, NULL, 0, n, NULL, NULL, 0, n"
            f" FROM generate_series(1, {ROWS}) AS n"
        )
        await connection.execute("ANALYZE")
        yield connection
        await connection.close()


async def plan(connection: asyncpg.Connection, name: str, *options: str, explain: str = "EXPLAIN") -> str:
    statement = numbered(QUERIES.sql(name, *options))
    copies = "file_copies" in name
    table = "batches" if "batches" in name else "files"
    first: int = await connection.fetchval(f"SELECT min(created_at) + 10000 FROM {table}")
    given: dict[str, object] = {
        "limit": 20,
        "last_created_at": first,
        "last_expires_at": 1,
        "now": 2**60,
        "lease": 1,
        "epoch": 1,
        "after": "x",
    }
    given |= {
        "keys": ONE_COPY if copies else ONLY_ONE,
        "deployments": '["east"]',
        "models": '["gpt-4o-batch"]',
        "model": "model-1",
        "purpose": "batch",
        "avoid": "[]",
        "work": "place",
        "held_epoch": 1,
        "most": 50,
        "before": await connection.fetchval(f"SELECT min(created_at) + 15000 FROM {table}"),
        "deployment": "east",
        "requests": 1,
        "shard": 0,
        "after_place": 0,
        "expires_at": 1,
        "status": "failed",
        "of_model": "model-1",
        "deployment_id": "east",
        "of_deployment": "east",
        "input_file_id": "file-17",
        "offset": 0,
        "looked_at": 20,
    }
    given |= {"from_at": first, "to_at": first + 2000, "from_id": "batch-1", "to_id": "batch-9"}
    parameters = defaultdict[str, object](lambda: "owner-1") | given
    if name == "next_part":
        parameters["after"] = 1
    rows = await connection.fetch(f"{explain} {statement.sql}", *statement.arguments(parameters))
    return "\n".join(row[0] for row in rows)


@pytest.mark.parametrize("page", [("descending",), ("descending", "before"), ("ascending", "after")])
@pytest.mark.parametrize(
    ("options", "index"),
    [
        (("list_files",), "files_by_owner"),
        (("list_files", "purpose"), "files_by_owner_purpose"),
        (("list_all_files",), "files_by_time"),
        (("list_all_files", "purpose"), "files_by_purpose"),
        (("list_files_of_model",), "file_models_by_owner"),
        (("list_files_of_model", "purpose"), "file_models_by_owner_purpose"),
        (("list_all_files_of_model",), "file_models_by_time"),
        (("list_all_files_of_model", "purpose"), "file_models_by_purpose"),
    ],
)
async def test_pages_of_files(
    connection: asyncpg.Connection, page: tuple[str, ...], options: tuple[str, ...], index: str
) -> None:
    name, *filters = options
    found = await plan(connection, name, *page, *filters)
    assert f"using {index} on" in found, found
    assert "Sort" not in found, found
    assert "Seq Scan" not in found, found


@pytest.mark.parametrize("page", [("descending",), ("ascending", "after", "up_to")])
@pytest.mark.parametrize("sifted", [(), ("of_model", "of_status", "of_deployment", "texts")])
@pytest.mark.parametrize(
    ("options", "index"),
    [
        (("search_batches", "owner"), "batches_by_owner"),
        (("search_batches", "owner", "model"), "batches_by_owner_model"),
        (("search_batches", "model"), "batches_by_model"),
        (("search_batches", "owner", "status_of_owner"), "batches_by_owner_status"),
        (("search_batches", "status"), "batches_by_status"),
        (("search_batches", "file"), "batches_by_input_file"),
        (("search_all_batches",), "batches_by_time"),
        (("search_batches_at_deployment",), "jobs_by_deployment"),
        (("bound_of_batches_at_deployment",), "jobs_by_deployment"),
        (("search_files",), "files_by_owner"),
        (("search_files", "purpose"), "files_by_owner_purpose"),
        (("search_all_files",), "files_by_time"),
        (("search_all_files", "purpose"), "files_by_purpose"),
    ],
)
async def test_searches(
    connection: asyncpg.Connection,
    page: tuple[str, ...],
    options: tuple[str, ...],
    index: str,
    sifted: tuple[str, ...],
) -> None:
    name, *filters = options
    found = await plan(connection, name, *page, *filters, *sifted)
    assert re.search(rf"(using|Scan on) {index} ", found), found
    assert "Seq Scan" not in found, found
    if not sifted and name != "search_batches_at_deployment":  # what is sifted is little, and may be sorted
        assert "Sort" not in found, found


@pytest.mark.parametrize("options", [(), ("behind",)])
async def test_expired_files(connection: asyncpg.Connection, options: tuple[str, ...]) -> None:
    found = await plan(connection, "list_expired_files", *options)
    assert "using files_by_expiry on" in found
    assert "Sort" not in found


@pytest.mark.parametrize("page", [(), ("before",)])
@pytest.mark.parametrize(
    ("options", "index"),
    [
        (("owner",), "batches_by_owner"),
        (("owner", "model"), "batches_by_owner_model"),
        (("model",), "batches_by_model"),
        ((), "batches_by_time"),
    ],
)
async def test_pages_of_batches(
    connection: asyncpg.Connection, page: tuple[str, ...], options: tuple[str, ...], index: str
) -> None:
    name = "list_batches" if options else "list_all_batches"
    found = await plan(connection, name, *page, *options)
    assert f"using {index} on" in found
    assert "Sort" not in found
    assert "Seq Scan" not in found


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("lock_file", "files_pkey"),
        ("lock_batch", "batches_pkey"),
        ("lock_batches", "batches_pkey"),
        ("lock_jobs_of_batches", "jobs_batch_id_shard_attempt_key"),
        ("get_batch_states", "batches_pkey"),
        ("get_batch_states", "jobs_batch_id_shard_attempt_key"),
        ("get_file_state", "file_copies_pkey"),
        ("next_part", "file_parts_in_order"),
        ("count_parts", "file_parts_pkey"),
        ("publish_copies", "file_copies_pkey"),
        ("get_results", "files_pkey"),
        ("get_tiles", "file_shards_pkey"),
        ("get_shard", "file_shards_pkey"),
        ("get_shards_of_batch", "file_shards_by_batch"),
        ("remove_shards_of_batches", "file_shards_by_batch"),
        ("release_share", "reservations_by_batch"),
        ("get_job", "jobs_pkey"),
        ("open_tokens", "jobs_open"),
        ("ended_jobs", "jobs_ended_at_deployment"),
        ("list_jobs_of_batch", "jobs_batch_id_shard_attempt_key"),
        ("get_batch", "batches_pkey"),
        ("get_batch_state", "jobs_batch_id_shard_attempt_key"),
        ("has_refreshable_jobs", "jobs_batch_id_shard_attempt_key"),
        ("refresh_jobs", "jobs_batch_id_shard_attempt_key"),
        ("open_requests", "jobs_open"),
        ("known_provider_batches", "jobs_by_provider_batch"),
        ("unanswered_jobs", "jobs_open"),
        ("unanswered_watched_jobs", "jobs_due"),
        ("waiting_jobs", "jobs_due"),
        ("open_batches", "batches_open_by_input_file"),
        ("longest_due", "jobs_due"),
        ("longest_due", "file_copies_due"),
        ("due_work", "jobs_due"),
        ("lock_due_jobs", "jobs_due_by_owner"),
        ("claim_jobs", "jobs_pkey"),
        ("claimed_jobs", "jobs_pkey"),
        ("renew_jobs", "jobs_pkey"),
        ("held_jobs", "jobs_pkey"),
        ("due_work", "file_copies_due"),
        ("lock_due_file_copies", "file_copies_due_by_owner"),
        ("claim_file_copies", "file_copies_pkey"),
        ("claimed_file_copies", "file_copies_pkey"),
        ("renew_file_copies", "file_copies_pkey"),
        ("held_file_copies", "file_copies_pkey"),
        ("remove_file_models", "file_models_pkey"),
        ("old_batches", "batches_by_time"),
        ("old_deleted_files", "files_by_deletion"),
        ("lock_ended_batches", "batches_pkey"),
        ("lock_ended_batches", "jobs_batch_id_shard_attempt_key"),
        ("drop_snapshots", "jobs_batch_id_shard_attempt_key"),
        ("remove_jobs_of_batches", "jobs_batch_id_shard_attempt_key"),
        ("remove_batches", "batches_pkey"),
        ("lock_deleted_files", "file_copies_pkey"),
        ("deployments_in_use", "jobs_due"),
        ("deployments_in_use", "file_copies_in_use"),
    ],
)
async def test_other_queries(connection: asyncpg.Connection, name: str, index: str) -> None:
    found = await plan(connection, name)
    assert index in found, found
    for table in ("files", "file_copies", "batches", "jobs", "file_models", "file_shards", "file_parts"):
        assert f"Seq Scan on {table} " not in found
    if name.startswith("due_"):
        assert "Sort" not in found, found


@pytest.mark.parametrize("page", [(), ("after",)])
@pytest.mark.parametrize(
    ("options", "index"), [((), "jobs_to_look_at"), (("deployment",), "jobs_to_look_at_by_deployment")]
)
async def test_pages_of_jobs(
    connection: asyncpg.Connection, page: tuple[str, ...], options: tuple[str, ...], index: str
) -> None:
    found = await plan(connection, "list_jobs", *page, *options)
    assert f"using {index} on" in found, found
    assert "Sort" not in found
    assert "Seq Scan" not in found


@pytest.mark.parametrize("name", ["lock_due_jobs", "lock_due_file_copies"])
async def test_much_that_is_due_costs_no_more_than_little(connection: asyncpg.Connection, name: str) -> None:
    """Of 20,000 due rows of five owners a few are read."""
    found = await plan(connection, name, explain="EXPLAIN (ANALYZE, TIMING OFF, SUMMARY OFF, BUFFERS OFF)")
    table = name.removeprefix("lock_due_")
    scans = re.findall(rf"Scan using \w+ on {table}.*\(actual rows=([\d.]+) loops=(\d+)\)", found)
    assert len(scans) == 4, found
    assert sum(float(rows) * int(loops) for rows, loops in scans) < 400, found


async def test_of_a_large_backlog_no_more_is_read_than_counted(connection: asyncpg.Connection) -> None:
    """Of 20,000 deliveries some, and one to tell the age of the oldest; of each endpoint some."""
    found = await plan(
        connection, "untold", explain="EXPLAIN (ANALYZE, TIMING OFF, SUMMARY OFF, BUFFERS OFF)"
    )
    scans = re.findall(r"using (event_deliveries_\w+) on.*\(actual rows=([\d.]+) loops=(\d+)\)", found)
    assert {name for name, _, _ in scans} == {"event_deliveries_pending", "event_deliveries_dead_by_sink"}
    assert sum(float(rows) * int(loops) for _, rows, loops in scans) <= 2 * (50 + 50 + 1), found
    assert "Seq Scan on event_deliveries" not in found


WAITING = 30_000
ENDPOINTS = ("we_lb1", "we_lb2", "we_lb3")


@pytest.fixture(scope="module")
async def backlogged(connection: asyncpg.Connection) -> asyncpg.Connection:
    """The same with much that endpoints have not taken."""
    for endpoint in ENDPOINTS:
        await connection.execute(
            "INSERT INTO webhook_endpoints (id, owner, name, url, event_types, version, key_fingerprint,"
            " secret_hint, created_at, updated_at) VALUES ($1, 'owner', 'x', 'u', '[]', 1, 'key', 'x', 1, 1)",
            endpoint,
        )
    await connection.execute(
        "INSERT INTO events (id, subject, seq, type, payload, created_at)"
        f" SELECT 'evt_' || n, 'subject', n, 'x', '{{}}', n FROM generate_series(1, {WAITING}) AS n"
    )
    await connection.execute(
        "INSERT INTO event_deliveries (sink, event_id, subject, seq, state, attempts, next_check_at, epoch,"
        " created_at) SELECT (CAST($1 AS text[]))[1 + n % 3], 'evt_' || n, 'x', n, 'pending', 0, n, 0, n"
        f" FROM generate_series(1, {WAITING}) AS n",
        list(ENDPOINTS),
    )
    await connection.execute("VACUUM ANALYZE events, event_deliveries, webhook_endpoints")
    return connection


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("due_webhooks", {"keys": "[]"}),
        ("lock_due_webhooks", {"keys": '[["we_lb1"], ["we_lb2"], ["we_lb3"]]'}),
        ("claimed_webhooks", {"keys": '[["evt_3", "we_lb1"], ["evt_1", "we_lb2"], ["evt_2", "we_lb3"]]'}),
        ("overdue_webhooks", {"age": 1, "idle": 1, "failing": 1}),
    ],
)
async def test_how_much_endpoints_have_not_taken_makes_no_difference(
    backlogged: asyncpg.Connection, name: str, given: dict[str, Any]
) -> None:
    """Of 30,000 deliveries a few are read."""
    statement = numbered(QUERIES.sql(name))
    asked = {"first": "we_lb", "last": "we_lc", "fingerprints": '["key"]', "per_owner": 4, "limit": 64}
    values = statement.arguments({**asked, **given})
    assert len(await backlogged.fetch(statement.sql, *values)) == 3
    explain = "EXPLAIN (ANALYZE, TIMING OFF, SUMMARY OFF, BUFFERS OFF)"
    found = "\n".join(row[0] for row in await backlogged.fetch(f"{explain} {statement.sql}", *values))
    assert "Seq Scan on event_deliveries" not in found, found
    scans = re.findall(r"event_deliveries.*\(actual rows=([\d.]+) loops=(\d+)\)", found)
    assert scans, found
    assert sum(float(rows) * int(loops) for rows, loops in scans) <= 20, found


async def test_of_what_an_endpoint_has_not_taken_no_more_is_read_than_counted(
    backlogged: asyncpg.Connection,
) -> None:
    """Of 10,000 deliveries to each of three twenty: once for their number, once for the oldest."""
    statement = numbered(QUERIES.sql("untold"))
    values = statement.arguments({"first": "we_lb", "last": "we_lc", "most": 20})
    explain = "EXPLAIN (ANALYZE, TIMING OFF, SUMMARY OFF, BUFFERS OFF)"
    found = "\n".join(row[0] for row in await backlogged.fetch(f"{explain} {statement.sql}", *values))
    assert "Seq Scan on event_deliveries" not in found, found
    scans = re.findall(r"using event_deliveries_due on.*\(actual rows=([\d.]+) loops=(\d+)\)", found)
    assert 2 * 3 * 20 <= sum(float(rows) * int(loops) for rows, loops in scans) <= 2 * 3 * 20 + 2 * 4, found


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("expire_webhooks", "event_deliveries_due"),
        ("remove_webhook_deliveries", "event_deliveries_pkey"),
        ("fail_webhook_deliveries", "event_deliveries_pkey"),
        ("queue_events", "events_pkey"),
    ],
)
async def test_what_is_for_endpoints_is_found_by_an_index(
    backlogged: asyncpg.Connection, name: str, index: str
) -> None:
    statement = numbered(QUERIES.sql(name))
    given = {"keys": '[["evt_3", "we_lb1", 1, "no"]]', "age": 1, "limit": 10, "sink": "we_lb1", "error": "x"}
    rows = await backlogged.fetch(f"EXPLAIN {statement.sql}", *statement.arguments(given))
    found = "\n".join(row[0] for row in rows)
    assert index in found, found
    assert "Seq Scan on event" not in found, found
