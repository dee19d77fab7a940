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

COPIES_DUE = "file_copies_due (deployment_id=? AND next_check_at>? AND next_check_at<?)"
COPIES_OF_OWNER = "file_copies_due_by_owner (deployment_id=? AND owner=? AND next_check_at<?)"
JOBS_DUE = "jobs_due (<expr>=? AND <expr>=? AND <expr><?)"
JOBS_OF_OWNER = "jobs_due_by_owner (<expr>=? AND <expr>=? AND owner=? AND next_check_at<?)"
QUERIES = Queries.load("litebatch_sqlite", TABLES)


@pytest.fixture
def connection() -> Generator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:")) as connection:
        for migration in load_migrations("litebatch_sqlite", QUERIES):
            connection.executescript(migration.sql)
        yield connection


def plan(connection: sqlite3.Connection, name: str, *options: str) -> str:
    statement = QUERIES.sql(name, *options)
    parameters: defaultdict[str, object] = defaultdict(lambda: "[]")
    parameters |= {"limit": 1, "last_created_at": 1, "now": 1, "lease": 1, "offset": 0, "looked_at": 1}
    rows = connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
    return "\n".join(row[3] for row in rows).replace("COVERING ", "")


@pytest.mark.parametrize(
    "page", [("descending",), ("ascending",), ("descending", "before"), ("ascending", "after")]
)
@pytest.mark.parametrize(
    ("options", "index"),
    [
        (("list_files",), "files USING INDEX files_by_owner (owner=?"),
        (("list_files", "purpose"), "files USING INDEX files_by_owner_purpose (owner=? AND purpose=?"),
        (("list_all_files",), "files USING INDEX files_by_time"),
        (("list_all_files", "purpose"), "files USING INDEX files_by_purpose (purpose=?"),
        (("list_files_of_model",), "file_models USING INDEX file_models_by_owner (owner=? AND model=?"),
        (
            ("list_files_of_model", "purpose"),
            "file_models USING INDEX file_models_by_owner_purpose (owner=? AND model=? AND purpose=?",
        ),
        (("list_all_files_of_model",), "file_models USING INDEX file_models_by_time (model=?"),
        (
            ("list_all_files_of_model", "purpose"),
            "file_models USING INDEX file_models_by_purpose (model=? AND purpose=?",
        ),
    ],
)
def test_pages_of_files(
    connection: sqlite3.Connection, page: tuple[str, ...], options: tuple[str, ...], index: str
) -> None:
    name, *filters = options
    found = plan(connection, name, *page, *filters)
    assert index in found
    assert index in plan(connection, name, *page, *filters, "patterns")
    begins = ("<expr><?", "<expr>>?", ")<(?,?)", ")>(?,?)")
    assert any(begin in found for begin in begins) == (len(page) == 2), found
    assert "TEMP B-TREE" not in found


@pytest.mark.parametrize(
    "page",
    [("descending",), ("ascending",), ("descending", "before", "down_to"), ("ascending", "after", "up_to")],
)
@pytest.mark.parametrize("sifted", [(), ("of_model", "of_status", "of_deployment", "texts")])
@pytest.mark.parametrize(
    ("options", "index"),
    [
        (("search_batches", "owner"), "batches_by_owner (owner=?"),
        (("search_batches", "owner", "model"), "batches_by_owner_model (owner=? AND model=?"),
        (("search_batches", "model"), "batches_by_model (model=?"),
        (("search_batches", "owner", "status_of_owner"), "batches_by_owner_status (owner=? AND status=?"),
        (("search_batches", "status"), "batches_by_status (<expr>=?"),
        (("search_batches", "file"), "batches_by_input_file (input_file_id=?"),
        (("search_all_batches",), "batches_by_time"),
        (("search_batches_at_deployment",), "jobs_by_deployment (<expr>=?"),
        (("bound_of_batches_at_deployment",), "jobs_by_deployment (<expr>=?"),
        (("search_files",), "files_by_owner (owner=?"),
        (("search_files", "purpose"), "files_by_owner_purpose (owner=? AND purpose=?"),
        (("search_all_files",), "files_by_time"),
        (("search_all_files", "purpose"), "files_by_purpose (purpose=?"),
    ],
)
def test_searches(
    connection: sqlite3.Connection,
    page: tuple[str, ...],
    options: tuple[str, ...],
    index: str,
    sifted: tuple[str, ...],
) -> None:
    """They begin at the cursor and end at the bound; what is looked at on the way leads to no other index."""
    name, *filters = options
    found = plan(connection, name, *page, *filters, *sifted)
    assert f"USING INDEX {index}" in found, found
    if "at_deployment" in name:
        return
    assert "TEMP B-TREE" not in found
    bounds = ("(created_at,id)>(?,?) AND (created_at,id)<(?,?)", "<expr>>? AND <expr><?")
    assert any(each in found.splitlines()[0] for each in bounds) == (len(page) == 3), found
    if "of_deployment" in sifted and "batches" in name:
        assert "SEARCH jobs USING INDEX jobs_by_deployment (<expr>=? AND batch_id=?)" in found


@pytest.mark.parametrize(
    ("options", "index"),
    [
        (("rolled_up",), "PRIMARY KEY (fields=?"),
        (("rolled_up", "model"), "PRIMARY KEY (fields=?"),
        (("rolled_up", "owner"), "INDEX spend_rollups_by_owner (fields=? AND owner=?"),
        (("rolled_up", "key"), "INDEX spend_rollups_by_key (fields=? AND key=?"),
        (("each",), "PRIMARY KEY ("),
        (("each", "owner"), "INDEX spend_daily_by_owner (owner=?"),
        (("each", "key"), "INDEX spend_daily_by_key (key=?"),
    ],
)
def test_spend(connection: sqlite3.Connection, options: tuple[str, ...], index: str) -> None:
    """Of the days that are asked for."""
    found = plan(connection, "spend", "start", "end", *options)
    days = "day>? AND day<?)"
    assert f"USING {index}{'' if index.endswith('(') else ' AND '}{days}" in found, found


@pytest.mark.parametrize("options", [(), ("behind",)])
def test_expired_files(connection: sqlite3.Connection, options: tuple[str, ...]) -> None:
    found = plan(connection, "list_expired_files", *options)
    assert "USING INDEX files_by_expiry (" in found
    assert "TEMP B-TREE" not in found


@pytest.mark.parametrize("page", [(), ("after",)])
@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("old_batches", "batches_by_time (<expr>"),
        ("old_deleted_files", "files_by_deletion ("),
    ],
)
def test_what_is_old_is_looked_at_in_its_order(
    connection: sqlite3.Connection, name: str, index: str, page: tuple[str, ...]
) -> None:
    found = plan(connection, name, *page)
    assert f"USING INDEX {index}" in found, found
    assert "TEMP B-TREE" not in found


@pytest.mark.parametrize("page", [(), ("before",)])
@pytest.mark.parametrize(
    ("options", "index"),
    [
        (("list_batches", "owner"), "batches_by_owner (owner=?"),
        (("list_batches", "owner", "model"), "batches_by_owner_model (owner=? AND model=?"),
        (("list_batches", "model"), "batches_by_model (model=?"),
        (("list_all_batches",), "batches_by_time"),
    ],
)
def test_pages_of_batches(
    connection: sqlite3.Connection, page: tuple[str, ...], options: tuple[str, ...], index: str
) -> None:
    name, *filters = options
    found = plan(connection, name, *page, *filters)
    assert f"batches USING INDEX {index}" in found
    assert f"batches USING INDEX {index}" in plan(connection, name, *page, *filters, "patterns")
    assert ("(created_at,id)<(?,?)" in found or "<expr><?" in found) == bool(page)
    assert "TEMP B-TREE" not in found


@pytest.mark.parametrize(
    ("name", "table", "index"),
    [
        ("get_file_state", "batches", "batches_open_by_input_file (input_file_id=? AND status=?)"),
        ("get_file_state", "file_copies", "sqlite_autoindex_file_copies_1 (file_id=?)"),
        ("next_part", "file_parts", "file_parts_in_order (file_id=? AND (place,seq)>(?,?))"),
        ("count_parts", "file_parts", "sqlite_autoindex_file_parts_1 (file_id=?)"),
        ("publish_copies", "file_copies", "sqlite_autoindex_file_copies_1 (file_id=?)"),
        ("get_results", "files", "sqlite_autoindex_files_1 (id=?)"),
        ("get_tiles", "file_shards", "sqlite_autoindex_file_shards_1 (file_id=?)"),
        ("get_shard", "file_shards", "sqlite_autoindex_file_shards_1 (file_id=? AND shard=?)"),
        ("get_shards_of_batch", "file_shards", "file_shards_by_batch (batch_id=?)"),
        ("release_share", "reservations", "reservations_by_batch (batch_id=?)"),
        ("get_job", "jobs", "sqlite_autoindex_jobs_1 (id=?)"),
        ("list_jobs", "jobs", "jobs_to_look_at"),
        ("ended_jobs", "jobs", "jobs_ended_at_deployment (deployment_id=? AND ended_at>?)"),
        ("is_at_deployment", "jobs", "jobs_by_deployment (<expr>=? AND batch_id=?)"),
        ("batches_of_ids", "batches", "sqlite_autoindex_batches_1 (id=?)"),
        ("files_of_ids", "files", "sqlite_autoindex_files_1 (id=?)"),
        ("open_tokens", "jobs", "jobs_open (deployment_id=?)"),
        ("open_tokens", "batches", "sqlite_autoindex_batches_1 (id=?)"),
        ("known_limits", "deployment_limits", "sqlite_autoindex_deployment_limits_1 (deployment_id=?)"),
        ("get_batch", "batches", "sqlite_autoindex_batches_1 (id=?)"),
        ("get_batch_state", "jobs", "sqlite_autoindex_jobs_2 (batch_id=?)"),
        ("get_batch_states", "batches", "sqlite_autoindex_batches_1 (id=?)"),
        ("get_batch_states", "jobs", "sqlite_autoindex_jobs_2 (batch_id=?)"),
        ("remove_job", "jobs", "sqlite_autoindex_jobs_1 (id=?)"),
        ("has_refreshable_jobs", "jobs", "sqlite_autoindex_jobs_2 (batch_id=?)"),
        ("refresh_jobs", "jobs", "sqlite_autoindex_jobs_2 (batch_id=?)"),
        ("open_requests", "jobs", "jobs_open"),
        ("known_provider_batches", "jobs", "jobs_by_provider_batch (provider_batch_id=?"),
        ("unanswered_jobs", "jobs", "jobs_open (deployment_id=? AND requests=?)"),
        ("unanswered_watched_jobs", "jobs", "jobs_due"),
        ("waiting_jobs", "jobs", "jobs_due"),
        ("open_batches", "batches", "batches_open_by_input_file"),
        ("longest_due", "jobs", "jobs_due"),
        ("longest_due", "file_copies", "file_copies_due"),
        ("due_work", "jobs", JOBS_DUE),
        ("due_jobs", "jobs", "jobs_due_by_owner (<expr>=? AND <expr>=?"),
        ("claim_jobs", "jobs", "sqlite_autoindex_jobs_1 (id=?)"),
        ("claimed_jobs", "jobs", "sqlite_autoindex_jobs_1 (id=?)"),
        ("renew_jobs", "jobs", "sqlite_autoindex_jobs_1 (id=?)"),
        ("held_jobs", "jobs", "sqlite_autoindex_jobs_1 (id=?)"),
        ("due_work", "file_copies", COPIES_DUE),
        ("due_file_copies", "file_copies", "file_copies_due_by_owner (deployment_id=?"),
        ("claim_file_copies", "file_copies", "sqlite_autoindex_file_copies_1 (file_id=?"),
        ("claimed_file_copies", "file_copies", "sqlite_autoindex_file_copies_1 (file_id=?"),
        ("renew_file_copies", "file_copies", "sqlite_autoindex_file_copies_1 (file_id=?"),
        ("held_file_copies", "file_copies", "sqlite_autoindex_file_copies_1 (file_id=?"),
        ("list_events", "events", "sqlite_autoindex_events_1 (id>?)"),
        ("remove_file_models", "file_models", "sqlite_autoindex_file_models_1 (file_id=?)"),
        ("held_files", "file_holds", "sqlite_autoindex_file_holds_1 (scope=?)"),
        ("release_file", "file_holds", "file_holds_by_file (file_id=?)"),
        ("jobs_in_use", "jobs", "jobs_due"),
        ("copies_in_use", "file_copies", "file_copies_in_use"),
        ("deployments_in_use", "jobs", "jobs_due"),
        ("deployments_in_use", "file_copies", "file_copies_in_use"),
        ("lock_ended_batches", "batches", "sqlite_autoindex_batches_1 (id=?)"),
        ("lock_ended_batches", "jobs", "sqlite_autoindex_jobs_2 (batch_id=?)"),
        ("lock_ended_batches", "files", "files_by_batch (batch_id=?)"),
        ("drop_snapshots", "jobs", "sqlite_autoindex_jobs_2 (batch_id=?)"),
        ("remove_jobs_of_batches", "jobs", "sqlite_autoindex_jobs_2 (batch_id=?)"),
        ("remove_events_of", "events", "events_by_subject (subject=?)"),
        ("insert_events", "events", "events_by_subject (subject=?)"),
        ("queue_events", "events", "sqlite_autoindex_events_1 (id=?)"),
        ("queue_events", "earlier", "event_deliveries_by_subject (sink=? AND subject=?)"),
        ("due_deliveries", "event_deliveries", "event_deliveries_due (sink=? AND next_check_at<?)"),
        ("claim_deliveries", "event_deliveries", "sqlite_autoindex_event_deliveries_1 (event_id=?"),
        ("claimed_deliveries", "event_deliveries", "sqlite_autoindex_event_deliveries_1 (event_id=?"),
        ("claimed_deliveries", "events", "sqlite_autoindex_events_1 (id=?)"),
        ("remove_deliveries", "event_deliveries", "sqlite_autoindex_event_deliveries_1 (event_id=?"),
        ("give_back_deliveries", "event_deliveries", "sqlite_autoindex_event_deliveries_1 (event_id=?"),
        ("fail_deliveries", "event_deliveries", "sqlite_autoindex_event_deliveries_1 (event_id=?"),
        ("hold_followers", "event_deliveries", "event_deliveries_by_subject (sink=? AND subject=?"),
        ("dead_deliveries", "event_deliveries", "event_deliveries_dead"),
        ("untaken_deliveries", "event_deliveries", "event_deliveries_by_subject (sink=?"),
        ("untaken_deliveries", "events", "sqlite_autoindex_events_1 (id=?)"),
        ("forgotten_sinks", "event_deliveries", "event_deliveries_by_subject"),
        ("queue_events", "webhook_endpoints", "webhook_endpoints_by_owner (owner=?)"),
        ("due_webhooks", "event_deliveries", "event_deliveries_due (sink"),
        ("due_webhooks", "webhook_endpoints", "sqlite_autoindex_webhook_endpoints_1 (id=?)"),
        ("lock_due_webhooks", "event_deliveries", "event_deliveries_due (sink=? AND next_check_at<?)"),
        ("lock_due_webhooks", "webhook_endpoints", "sqlite_autoindex_webhook_endpoints_1 (id=?)"),
        ("claim_webhooks", "webhook_endpoints", "sqlite_autoindex_webhook_endpoints_1 (id=?)"),
        ("claimed_webhooks", "event_deliveries", "sqlite_autoindex_event_deliveries_1 (event_id=?"),
        ("claimed_webhooks", "webhook_endpoints", "sqlite_autoindex_webhook_endpoints_1 (id=?)"),
        ("remove_webhook_deliveries", "event_deliveries", "sqlite_autoindex_event_deliveries_1 (event_id=?"),
        ("fail_webhook_deliveries", "event_deliveries", "sqlite_autoindex_event_deliveries_1 (event_id=?"),
        ("overdue_webhooks", "event_deliveries", "event_deliveries_due (sink"),
        ("overdue_webhooks", "webhook_endpoints", "sqlite_autoindex_webhook_endpoints_1 (id=?)"),
        ("expire_webhooks", "overdue", "event_deliveries_due (sink=? AND next_check_at<?)"),
        ("delete_webhook_endpoints_of", "webhook_endpoints", "webhook_endpoints_by_owner (owner=?)"),
        ("remove_shards_of_batches", "file_shards", "file_shards_by_batch (batch_id=?)"),
        ("lock_deleted_files", "batches", "batches_open_by_input_file (input_file_id=? AND status=?)"),
    ],
)
def test_other_queries(connection: sqlite3.Connection, name: str, table: str, index: str) -> None:
    found = plan(connection, name)
    used = [line for line in found.splitlines() if f" {table} " in line]
    assert used
    for line in used:
        assert index in line, found
    # of what was just claimed, of the longest due rows of each owner, or of the few rows of a batch
    is_sorted_by_hand = name in (
        *("claimed_jobs", "claimed_file_copies", "claimed_deliveries"),
        *("due_jobs", "due_file_copies", "due_webhooks"),
        *("get_results", "get_shards_of_batch"),
    )
    assert ("TEMP B-TREE FOR ORDER BY" in found) == is_sorted_by_hand


@pytest.mark.parametrize("more", [(), ("state",)])
@pytest.mark.parametrize(
    ("options", "index"),
    [
        ((), "SCAN jobs USING INDEX jobs_to_look_at"),
        (("after",), "SEARCH jobs USING INDEX jobs_to_look_at (id<?)"),
        (("deployment",), "SEARCH jobs USING INDEX jobs_to_look_at_by_deployment (deployment_id=?)"),
        (
            ("deployment", "after"),
            "SEARCH jobs USING INDEX jobs_to_look_at_by_deployment (deployment_id=? AND id<?)",
        ),
    ],
)
def test_pages_of_jobs(
    connection: sqlite3.Connection, options: tuple[str, ...], index: str, more: tuple[str, ...]
) -> None:
    found = plan(connection, "list_jobs", *options, *more)
    assert index in found
    assert "TEMP B-TREE" not in found


@pytest.mark.parametrize("options", [(), ("deployment", "after", "state")])
def test_jobs_of_a_batch(connection: sqlite3.Connection, options: tuple[str, ...]) -> None:
    found = plan(connection, "list_jobs_of_batch", *options)
    assert "SEARCH jobs USING INDEX sqlite_autoindex_jobs_2 (batch_id=?)" in found


@pytest.mark.parametrize(
    ("name", "index"), [("due_jobs", JOBS_OF_OWNER), ("due_file_copies", COPIES_OF_OWNER)]
)
def test_the_longest_due_rows_of_each_owner_are_read_in_their_order(
    connection: sqlite3.Connection, name: str, index: str
) -> None:
    table = name.removeprefix("due_")
    found = plan(connection, name)
    assert f"SEARCH {table} USING INDEX {index}" in found
    assert "owner>?" in found  # from one owner to the next


def test_the_first_delivery_of_a_subject_is_found_by_one_look(connection: sqlite3.Connection) -> None:
    found = plan(connection, "due_deliveries", "ordered")
    assert "SEARCH earlier USING INDEX event_deliveries_by_subject (sink=? AND subject=? AND seq<?)" in found
    assert "event_deliveries USING INDEX event_deliveries_due (sink=? AND next_check_at<?)" in found
    assert "TEMP B-TREE" not in found


def test_what_sinks_have_not_taken_is_counted_in_indexes_alone(connection: sqlite3.Connection) -> None:
    found = plan(connection, "untold").splitlines()
    for index, looks in (("event_deliveries_pending", 2), ("event_deliveries_dead_by_sink", 2)):
        assert found.count(f"SEARCH event_deliveries USING INDEX {index} (<expr>=?)") == looks
    assert not [line for line in found if line.startswith("SCAN event_deliveries")]


BACKLOG = """
WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :count)
INSERT INTO event_deliveries (
    sink, event_id, subject, seq, state, attempts, next_check_at, epoch, created_at
)
SELECT :sink, 'evt_' || n, 'batch', n, 'pending', 0, n, 0, n FROM numbers
"""
ENDPOINT = """
INSERT INTO webhook_endpoints (
    id, owner, name, url, event_types, version, key_fingerprint, secret_hint, created_at, updated_at
) VALUES (:sink, 'owner', 'x', 'https://example.com/', '[]', 1, 'key', 'x', 1, 1)
"""
SINKS = ("we_lb0", "we_lb1", "we_lb2")


def steps(connection: sqlite3.Connection, name: str) -> int:
    """Those of the database's machine, for a statement that finds all three endpoints."""
    counted = 0

    def count() -> int:
        nonlocal counted
        counted += 1
        return 0

    parameters: dict[str, object] = {"first": "we_lb", "last": "we_lc", "fingerprints": '["key"]'}
    parameters |= {"keys": "[]", "per_owner": 4, "limit": 64, "now": 2**60, "age": 1, "idle": 1, "failing": 1}
    connection.set_progress_handler(count, 1)
    assert len(connection.execute(QUERIES.sql(name), parameters).fetchall()) == len(SINKS)
    connection.set_progress_handler(None, 0)
    return counted


@pytest.mark.parametrize("name", ["due_webhooks", "overdue_webhooks"])
def test_how_much_endpoints_have_not_taken_makes_no_difference(
    connection: sqlite3.Connection, name: str
) -> None:
    """Of tens of thousands of pending rows a few are read."""
    for sink in SINKS:
        connection.execute(ENDPOINT, {"sink": sink})
        connection.execute(BACKLOG, {"sink": sink, "count": 10})
    few = steps(connection, name)
    connection.execute("DELETE FROM event_deliveries")
    for sink in SINKS:
        connection.execute(BACKLOG, {"sink": sink, "count": 20_000})
    assert steps(connection, name) <= few + 10
