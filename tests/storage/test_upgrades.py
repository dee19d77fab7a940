"""Databases that earlier versions have made and filled are opened by today's code, and upgraded."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import closing
from datetime import timedelta
from decimal import Decimal
from importlib import resources
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple, cast

import msgspec
import pytest

from litebatch_asgi.errors import ConfigError, LimitExceeded
from litebatch_asgi.models import (
    BatchChange,
    BatchStatus,
    File,
    FileHold,
    Reservation,
    Spend,
    SpendField,
    SpendQuery,
    VirtualKey,
    Work,
)
from litebatch_asgi.models.sums import regrouped
from litebatch_asgi.storage import FileQuery, Storage
from litebatch_asgi.testing import a_batch, a_file, a_request, a_shard
from litebatch_asgi.testing.conformance.base import file_writing, writing
from litebatch_postgres import PostgresStorage
from litebatch_postgres.address import parse
from litebatch_postgres.executor import PostgresExecutor
from litebatch_sql import Executor, SQLStorage
from litebatch_sqlite import SQLiteStorage
from litebatch_sqlite.executor import SQLiteExecutor
from tests.postgres import empty_database_url
from tests.storage import filled
from tests.storage.filled import ENDED, INPUT, KEY, NOW, OPEN, OUTPUT, PACKAGES, SCOPE, VERSIONS, Rows

NEVER_ALONE = {11}
"""versions that came with the next one: no database was made by them"""
NUMBERS = sorted(int(folder.name) for folder in VERSIONS.iterdir())
LATER_MIGRATION = """
ALTER TABLE {prefix}files ADD COLUMN colour {type.key};
UPDATE {prefix}files SET colour = 'red' WHERE accepted_at IS NOT NULL;
CREATE TABLE {prefix}colours (colour {type.key} NOT NULL PRIMARY KEY, known {type.json});
"""


class Kept(NamedTuple):
    """A database that an earlier version has filled."""

    backend: str
    storage: Callable[[], Storage]
    executor: Callable[[], Executor]
    rows: Callable[[], Awaitable[Rows]]
    was: Rows


@pytest.fixture(params=PACKAGES)
def backend(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(params=NUMBERS)
async def kept(request: pytest.FixtureRequest, backend: str, tmp_path: Path) -> AsyncGenerator[Kept]:
    version = VERSIONS / str(request.param)
    made = (version / f"{backend}.sql").read_text(encoding="utf-8")
    was = msgspec.json.decode((version / "rows.json").read_bytes(), type=Rows)
    if "sinks" not in was:  # deliveries begin with them: what was made for them before stayed empty
        was.pop("event_deliveries", None)
    if backend == "sqlite":
        path = tmp_path / "kept.db"
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript(made)

        async def rows() -> Rows:
            return filled.sqlite_rows(path)

        yield Kept(
            backend,
            lambda: SQLiteStorage(path),
            lambda: SQLiteExecutor(path, busy_timeout_seconds=10),
            rows,
            was,
        )
        return
    async with empty_database_url() as url:
        async with filled.connected(url) as database:
            await database.execute(made)
        address = parse(url, min_pool_size=0, max_pool_size=2, behind_pgbouncer=False)
        yield Kept(
            backend,
            lambda: PostgresStorage(url, max_pool_size=2),
            lambda: PostgresExecutor(address, table_prefix="", acquire_seconds=10, command_seconds=30),
            lambda: filled.postgres_rows(url),
            was,
        )


def as_it_was(rows: Rows, was: Rows) -> Rows:
    """The rows of the tables, with the columns and the members of objects in them, that there were then."""
    return {
        table: filled.in_order(
            {column: _known(row[column], [each[column] for each in found]) for column in found[0]}
            for row in rows[table]
        )
        for table, found in was.items()
    }


def _known(value: Any, were: Sequence[Any]) -> Any:
    if not isinstance(value, dict):
        return value
    names = {name for each in were if each for name in each}
    members = cast("dict[str, Any]", value)
    return {name: member for name, member in members.items() if name in names}


async def test_every_row_reads_back(kept: Kept) -> None:
    storage = kept.storage()
    installation = await storage.open()
    await storage.close()
    newest, _ = filled.schema(kept.backend)
    assert installation.schema_version == newest
    assert all(kept.was.values())
    assert as_it_was(await kept.rows(), kept.was) == kept.was


async def test_work_goes_on_where_it_was(kept: Kept) -> None:
    storage = kept.storage()
    await storage.open()
    [job] = await storage.claims.claim_jobs("worker", lease_seconds=60, room={"east": 9}, work=Work.LOOK)
    assert job.batch_id == OPEN
    ended = await storage.change_batch(
        OPEN, lambda state: BatchChange(batch=msgspec.structs.replace(state.batch, status=BatchStatus.FAILED))
    )
    assert ended.batch.status is BatchStatus.FAILED
    assert [part.bytes async for part in storage.file_parts(OUTPUT)] == [401]
    listed = await storage.list_files(FileQuery(owner=None, now=NOW, models=("gpt-4o",), limit=9))
    assert [file.id for file in listed] == [INPUT]
    await storage.change_batch(ENDED, writing(batch=msgspec.structs.replace(ended.batch, id=ENDED)))
    await storage.change_file(OUTPUT, file_writing(remove=True))
    assert await storage.get_file(OUTPUT) is None
    await storage.close()


async def test_a_batch_input_is_one_tile(kept: Kept) -> None:
    """Which the jobs of batches that are under way run; nothing else is a shard."""
    storage = kept.storage()
    await storage.open()
    state = await storage.get_file(INPUT)
    assert state is not None
    file = state.file
    assert state.shards == (a_shard(file, sha256=file.sha256),)
    shards = kept.was.get("file_shards", [])
    has_tiles = any(shard.get("sha256") for shard in shards)  # what was written since then has what it has
    tiled = {shard["file_id"] for shard in shards if shard["batch_id"] is None}
    for each in kept.was["files"]:
        tile = await storage.shards.get(each["id"], 0)
        is_tiled = each["id"] in tiled if has_tiles else each["kind"] == "input"
        assert (tile is not None) == is_tiled, each["id"]
    running = await storage.get_batch_state(OPEN)
    assert running is not None
    [job] = running.jobs
    assert (job.shard, job.root, job.tokens) == (0, 0, file.tokens)
    assert (job.stop_requested_at, job.may_hand_on, job.outcome) == (None, False, None)
    assert (running.batch.options, running.batch.retry_of) == (None, None)
    await storage.close()


async def test_a_batch_knows_where_it_is(kept: Kept) -> None:
    """Before batches said so, their jobs did."""
    storage = kept.storage()
    await storage.open()
    ended = await storage.get_batch(ENDED)
    assert ended is not None
    assert ended.deployment_id == "east"
    await storage.close()


async def test_what_was_charged_is_summed_up(kept: Kept) -> None:
    """For days, budgets and batches, from the charges that are there."""
    charges = kept.was["charges"]
    cost = sum((Decimal(charge["cost"]) for charge in charges), Decimal(0))
    storage = kept.storage()
    await storage.open()
    assert await storage.ledger.spend(SpendQuery(group_by=tuple(SpendField), limit=9)) == [
        Spend(
            day=NOW.date(),
            owner="team:search",
            key="key-1",
            team="search",
            model="gpt-4o-batch",
            deployment="east",
            cost=cost,
            input_tokens=sum(charge["usage"]["input_tokens"] for charge in charges),
            cached_tokens=sum(charge["usage"]["cached_tokens"] for charge in charges),
            output_tokens=sum(charge["usage"]["output_tokens"] for charge in charges),
            requests=sum(charge["usage"].get("requests", 0) for charge in charges),
            unpriced_requests=sum(charge["usage"].get("unpriced_requests", 0) for charge in charges),
            batches=1,
        )
    ]
    for field in SpendField:
        [one] = await storage.ledger.spend(SpendQuery(group_by=(field,), limit=9))
        assert one.cost == cost
    scopes = ("team:search", "key:key-1", "user:7")
    assert list((await storage.ledger.spent(dict.fromkeys(scopes))).values()) == [cost, cost, Decimal(0)]
    [ended] = (batch for batch in kept.was["batches"] if batch["id"] == ENDED)
    batch = await storage.get_batch(ENDED)
    assert batch is not None
    assert batch.cost == Decimal(ended.get("cost") or cost)
    [first] = await storage.ledger.charged(NOW, limit=9)
    assert set(first.charge.scopes) == {"team:search", "key:key-1"}
    running = await storage.get_batch(OPEN)
    assert running is not None
    assert running.scopes == (SCOPE.scope,)
    assert running.cost is None
    await storage.close()


MANY_SUMS = """
WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 500)
INSERT INTO spend_daily
SELECT
    20000 + n % 7, CASE WHEN n % 3 = 0 THEN 'user:1' ELSE 'team:' || (n % 3) END, 'key-' || (n % 5),
    CASE WHEN n % 3 = 0 THEN '' ELSE CAST(n % 3 AS text) END, 'model,' || (n % 4), 'owner' || (n % 2),
    n, 2 * n, 3 * n, 4 * n, 5 * n, 6 * n, 7 * n
FROM numbers WHERE n <= 420
"""


@pytest.mark.parametrize("kept", [13], indirect=True)
async def test_what_was_summed_up_is_rolled_up(kept: Kept) -> None:
    """Whatever is asked for comes to what the sums that were there come to."""
    executor = kept.executor()
    await executor.open()
    async with executor.write() as transaction:
        await transaction.execute(MANY_SUMS, {})
    await executor.close()
    storage = kept.storage()
    await storage.open()
    fields = tuple(SpendField)
    each = await storage.ledger.spend(SpendQuery(group_by=fields, limit=999))
    assert len(each) == 421
    for group_by in (*combinations(fields, 1), *combinations(fields, 2), ()):
        found = await storage.ledger.spend(SpendQuery(group_by=group_by, limit=999))
        assert found == regrouped(each, group_by)
        of_key = [sums for sums in each if sums.key == "key-3"]
        found = await storage.ledger.spend(SpendQuery(group_by=group_by, key="key-3", limit=999))
        assert found == regrouped(of_key, group_by)
    await storage.close()


async def test_keys_and_limits_count_as_before(kept: Kept) -> None:
    storage = kept.storage()
    await storage.open()
    batch = a_batch(a_file(id=INPUT))
    reserved = Reservation(scope=SCOPE.scope, requests=1, tokens=1, at=NOW, limits=(SCOPE,))
    with pytest.raises(LimitExceeded, match="max_open_batches"):
        await storage.create_batch(INPUT, lambda _: BatchChange(batch=batch, reservations=(reserved,)))
    with pytest.raises(LimitExceeded, match="max_files"):
        await storage.create_file(a_file(), [], holds=[FileHold(scope=SCOPE.scope, limits=(SCOPE,))])
    again: File = a_file()
    request = a_request(again, key="key of a file", fingerprint=f"for {INPUT}", at=NOW + timedelta(hours=1))
    assert (await storage.create_file(again, [], request=request)).file.id == INPUT
    assert isinstance(storage, SQLStorage)
    grant = await storage.keys.find_key("0" * 64)
    assert grant is not None
    assert (grant.key.id, grant.user is None, grant.team is None) == (KEY, False, False)
    assert (await storage.keys.get(VirtualKey, KEY)) == grant.key
    await storage.close()


@pytest.fixture
def later(backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package as the backend's own, with a migration that is still to come."""
    number, _ = filled.schema(backend)
    name = f"later_{backend}"
    shutil.copytree(str(resources.files(PACKAGES[backend])), tmp_path / name)
    migrations = tmp_path / name / "migrations"
    migrations.mkdir(exist_ok=True)
    (migrations / f"{number + 1:04}_later.sql").write_text(LATER_MIGRATION)
    (tmp_path / name / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    return name


async def test_later_migrations_apply(kept: Kept, later: str) -> None:
    """To a filled database, once; whoever is older does not open it any more."""
    newest, _ = filled.schema(kept.backend)
    for _ in range(2):
        executor = kept.executor()
        storage = SQLStorage(executor, later)
        installation = await storage.open()
        assert installation.schema_version == newest + 1
        row = await executor.fetch_one("SELECT count(*) FROM files WHERE colour = 'red'", {})
        assert row is not None
        assert row[0] == sum(file["accepted_at"] is not None for file in kept.was["files"])
        assert await executor.fetch_all("SELECT colour, known FROM colours", {}) == []
        await storage.close()
    assert as_it_was(await kept.rows(), kept.was) == kept.was
    with pytest.raises(ConfigError, match=f"schema version {newest + 1}"):
        await kept.storage().open()


def test_the_newest_version_is_kept(backend: str) -> None:
    """What has been released stays as it is: each change of the schema is a migration of its own."""
    newest, made = filled.schema(backend)
    kept = [number for number in range(1, newest + 1) if number not in NEVER_ALONE]
    assert kept == NUMBERS, "run python -m tests.storage.filled"
    dump = (VERSIONS / str(newest) / f"{backend}.sql").read_text(encoding="utf-8")
    assert dump.startswith(made), "add a migration; or, before a release, run python -m tests.storage.filled"
