"""Each query about keys walks an index that was made for it, and sorts nothing."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Generator
from contextlib import closing

import pytest

from litebatch_sql import Queries
from litebatch_sql.migrations import load_migrations
from litebatch_sql.tables import TABLES

QUERIES = Queries.load("litebatch_sqlite", TABLES)


@pytest.fixture
def connection() -> Generator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:")) as connection:
        for migration in load_migrations("litebatch_sqlite", QUERIES):
            connection.executescript(migration.sql)
        yield connection


def plan(connection: sqlite3.Connection, name: str, *options: str) -> str:
    parameters: defaultdict[str, object] = defaultdict(lambda: 1)
    statement = f"EXPLAIN QUERY PLAN {QUERIES.sql(name, *options)}"
    return "\n".join(row[3] for row in connection.execute(statement, parameters))


def test_a_key_is_found_by_three_indexes(connection: sqlite3.Connection) -> None:
    found = plan(connection, "find_key").splitlines()
    assert [line.partition(" USING")[0] for line in found] == [
        "SEARCH virtual_keys",
        "SEARCH users",
        "SEARCH teams",
    ]


@pytest.mark.parametrize(
    ("name", "options", "index"),
    [
        ("list_virtual_keys", (), "virtual_keys_by_time"),
        ("list_virtual_keys", ("user_id",), "virtual_keys_by_user (user_id=?)"),
        ("list_virtual_keys", ("team_id",), "virtual_keys_by_team (team_id=?)"),
        ("list_virtual_keys", ("alias",), "virtual_keys_by_alias (alias=?)"),
        ("count_virtual_keys", ("team_id",), "virtual_keys_by_team (team_id=?)"),
        ("list_users", (), "users_by_time"),
        ("list_teams", (), "teams_by_time"),
        ("list_users", ("id",), "sqlite_autoindex_users_1 (id=?)"),
    ],
)
def test_lists(connection: sqlite3.Connection, name: str, options: tuple[str, ...], index: str) -> None:
    found = plan(connection, name, *options)
    assert index in found
    assert "TEMP B-TREE" not in found or options == ("alias",)  # an alias is of one key at most
