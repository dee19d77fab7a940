"""Each query of lines that we run ourselves walks an index that was made for it, on SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import closing

import pytest

from litebatch_sql.migrations import load_migrations
from tests.storage.test_sqlite_plans import QUERIES, plan

RANGES, RESULTS = "sqlite_autoindex_line_ranges_1", "sqlite_autoindex_line_results_1"


@pytest.fixture
def connection() -> Generator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:")) as connection:
        for migration in load_migrations("litebatch_sqlite", QUERIES):
            connection.executescript(migration.sql)
        yield connection


@pytest.mark.parametrize(
    ("name", "options", "index"),
    [
        ("due_line_ranges", (), "line_ranges_due (deployment_id=? AND owner=?)"),
        ("claim_line_ranges", (), f"{RANGES} (job_id=? AND seq=?)"),
        ("claimed_line_ranges", (), f"{RANGES} (job_id=? AND seq=?)"),
        ("renew_line_ranges", (), f"{RANGES} (job_id=? AND seq=?)"),
        ("held_line_ranges", (), f"{RANGES} (job_id=? AND seq=?)"),
        ("lock_held_line_ranges", (), f"{RANGES} (job_id=? AND seq=?)"),
        ("write_line_ranges", (), f"{RANGES} (job_id=? AND seq=?)"),
        ("lost_line_ranges", (), f"{RANGES} (job_id=? AND seq=?)"),
        ("line_progress", (), f"{RANGES} (job_id=?)"),
        ("close_line_ranges", (), f"{RANGES} (job_id=?)"),
        ("remove_line_ranges", (), f"{RANGES} (job_id=?)"),
        ("lines_with_results", (), f"{RESULTS} (job_id=? AND line>? AND line<?)"),
        ("sizes_of_line_results", ("output",), f"{RESULTS} (job_id=? AND line>?)"),
        ("sizes_of_line_results", ("error",), "line_results_errors (job_id=? AND line>?)"),
        ("line_results", ("output",), f"{RESULTS} (job_id=? AND line>? AND line<?)"),
        ("line_results", ("error",), "line_results_errors (job_id=? AND line>? AND line<?)"),
        ("delete_line_results", ("output",), f"{RESULTS} (job_id=? AND line<?)"),
        ("delete_line_results", ("error",), "line_results_errors (job_id=? AND line<?)"),
        ("needed_line_results", (), "file_parts_by_job (job_id=?)"),
        ("sharing", (), "line_ranges_held (deployment_id=? AND claimed_by>?)"),
    ],
)
def test_lines(connection: sqlite3.Connection, name: str, options: tuple[str, ...], index: str) -> None:
    found = plan(connection, name, *options)
    assert f"USING INDEX {index}" in found, found
    assert "SCAN line_r" not in found, found
