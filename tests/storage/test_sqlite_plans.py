"""Each query walks an index that was made for it, and sorts nothing."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Generator
from contextlib import closing

import pytest

from litebatch_sql import Queries
from litebatch_sql.migrations import load_migrations
from litebatch_sql.tables import TABLES

COPIES_DUE = "file_copies_due (deployment_id=? AND next_check_at<?)"
QUERIES = Queries.load("litebatch_sqlite", TABLES)


@pytest.fixture
def connection() -> Generator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:")) as connection:
        for migration in load_migrations("litebatch_sqlite"):
            connection.executescript(migration.sql)
        yield connection


def plan(connection: sqlite3.Connection, name: str, *options: str) -> str:
    statement = QUERIES.sql(name, *options)
    parameters: defaultdict[str, object] = defaultdict(lambda: "[]")
    parameters |= {"limit": 1, "last_created_at": 1, "now": 1, "lease": 1}
    rows = connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
    return "\n".join(row[3] for row in rows)


@pytest.mark.parametrize(
    "page", [("descending",), ("ascending",), ("descending", "before"), ("ascending", "after")]
)
@pytest.mark.parametrize(
    ("options", "index"),
    [
        (("owner",), "files_by_owner (owner=?"),
        (("owner", "purpose"), "files_by_owner_purpose (owner=? AND purpose=?"),
        (("owner", "models"), "files_by_owner (owner=?"),
        ((), "files_by_time"),
        (("purpose", "models"), "files_by_time"),
    ],
)
def test_pages_of_files(
    connection: sqlite3.Connection, page: tuple[str, ...], options: tuple[str, ...], index: str
) -> None:
    found = plan(connection, "list_files", *page, *options)
    assert f"files USING INDEX {index}" in found
    assert ("(created_at,id)" in found.partition("LIST")[0]) == (len(page) == 2)
    assert "TEMP B-TREE" not in found


@pytest.mark.parametrize("options", [(), ("behind",)])
def test_expired_files(connection: sqlite3.Connection, options: tuple[str, ...]) -> None:
    found = plan(connection, "list_expired_files", *options)
    assert "USING INDEX files_by_expiry (" in found
    assert "TEMP B-TREE" not in found


@pytest.mark.parametrize("page", [(), ("before",)])
@pytest.mark.parametrize(
    ("options", "index"),
    [
        (("owner",), "batches_by_owner (owner=?"),
        (("owner", "model"), "batches_by_owner_model (owner=? AND model=?"),
        (("model",), "batches_by_model (model=?"),
        ((), "batches_by_time"),
    ],
)
def test_pages_of_batches(
    connection: sqlite3.Connection, page: tuple[str, ...], options: tuple[str, ...], index: str
) -> None:
    found = plan(connection, "list_batches", *page, *options)
    assert f"batches USING INDEX {index}" in found
    assert ("(created_at,id)<(?,?)" in found) == bool(page)
    assert "TEMP B-TREE" not in found


@pytest.mark.parametrize(
    ("name", "table", "index"),
    [
        ("get_file_state", "batches", "batches_open_by_input_file (input_file_id=?)"),
        ("get_file_state", "file_copies", "sqlite_autoindex_file_copies_1 (file_id=?)"),
        ("next_part", "file_parts", "sqlite_autoindex_file_parts_1 (file_id=? AND seq>?)"),
        ("get_batch", "batches", "sqlite_autoindex_batches_1 (id=?)"),
        ("get_batch_state", "jobs", "sqlite_autoindex_jobs_2 (batch_id=?)"),
        ("has_sleeping_jobs", "jobs", "sqlite_autoindex_jobs_2 (batch_id=?)"),
        ("wake_jobs", "jobs", "sqlite_autoindex_jobs_2 (batch_id=?)"),
        ("open_requests", "jobs", "jobs_open"),
        ("due_deployments_jobs", "jobs", "jobs_due (deployment_id=? AND next_check_at<?)"),
        ("due_jobs", "jobs", "jobs_due (deployment_id=? AND next_check_at<?)"),
        ("claim_jobs", "jobs", "sqlite_autoindex_jobs_1 (id=?)"),
        ("claimed_jobs", "jobs", "sqlite_autoindex_jobs_1 (id=?)"),
        ("renew_jobs", "jobs", "sqlite_autoindex_jobs_1 (id=?)"),
        ("held_jobs", "jobs", "sqlite_autoindex_jobs_1 (id=?)"),
        (
            "due_deployments_file_copies",
            "file_copies",
            COPIES_DUE,
        ),
        ("due_file_copies", "file_copies", COPIES_DUE),
        ("claim_file_copies", "file_copies", "sqlite_autoindex_file_copies_1 (file_id=?"),
        ("claimed_file_copies", "file_copies", "sqlite_autoindex_file_copies_1 (file_id=?"),
        ("renew_file_copies", "file_copies", "sqlite_autoindex_file_copies_1 (file_id=?"),
        ("held_file_copies", "file_copies", "sqlite_autoindex_file_copies_1 (file_id=?"),
        ("list_events", "events", "sqlite_autoindex_events_1 (id>?)"),
    ],
)
def test_other_queries(connection: sqlite3.Connection, name: str, table: str, index: str) -> None:
    found = plan(connection, name)
    used = [line for line in found.splitlines() if f" {table} " in line]
    assert used
    for line in used:
        assert index in line, found
    is_sorted_by_hand = name in ("claimed_jobs", "claimed_file_copies")  # of what was just claimed
    assert ("TEMP B-TREE FOR ORDER BY" in found) == is_sorted_by_hand
