"""Databases that the code of an earlier version has filled, kept as text to be opened by today's.

`python -m tests.storage.filled` writes `versions/<number>` for the newest version of the schema: what makes
and fills a database of each kind, and the rows that are in it. Do so once a version, before it is released,
and never again afterwards: that these files stay is what the tests of upgrades rest on.
"""

from __future__ import annotations

import asyncio
import re
import sqlite3
import tempfile
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeAlias

import asyncpg
import msgspec
from msgspec.structs import replace

from litebatch_asgi.models import (
    BatchChange,
    BatchError,
    BatchOptions,
    BatchStatus,
    CopyState,
    Counts,
    DeploymentWait,
    Event,
    File,
    FileHold,
    FileKind,
    FilePart,
    FileStatus,
    JobState,
    Lane,
    Limits,
    LineResult,
    Outcome,
    PartKind,
    ProviderBatch,
    RangeWrite,
    RegisteredSink,
    Reservation,
    ShortRead,
    Team,
    UploadRoom,
    UploadStatus,
    Usage,
    User,
    VirtualKey,
    WaitingFor,
    WebhookEventType,
)
from litebatch_asgi.models.tellings import Telling
from litebatch_asgi.storage import Storage
from litebatch_asgi.testing import (
    a_batch,
    a_charge,
    a_content,
    a_copy,
    a_file,
    a_job,
    a_line_range,
    a_part,
    a_request,
    a_shard,
    a_stored_part,
    an_endpoint,
    an_event,
    an_upload,
    an_upload_part,
)
from litebatch_asgi.testing.conformance.base import file_writing, writing
from litebatch_postgres import PostgresStorage
from litebatch_sql import Queries, Row
from litebatch_sql.migrations import load_migrations
from litebatch_sql.tables import TABLES
from litebatch_sqlite import SQLiteStorage
from tests.postgres import empty_database_url

Rows: TypeAlias = dict[str, list[dict[str, Any]]]

VERSIONS = Path(__file__).parent / "versions"
PACKAGES = {"sqlite": "litebatch_sqlite", "postgresql": "litebatch_postgres"}
NOW = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
LATER = datetime(2126, 1, 1, tzinfo=UTC)
TEXT = "naïve \"name\" 'quoted' \\ \u2028 😀"
KEY, USER, TEAM = "key_lb0000000000000000000000001", "7", "search"
INPUT, OUTPUT, ERROR, HIDDEN = (f"file-lb0000000000000000000000000{number}" for number in (1, 2, 3, 5))
LIVE_OUTPUT = "file-lb00000000000000000000000006"
ENDED, OPEN, LIVE = (f"batch_lb0000000000000000000000000{number}" for number in (1, 2, 3))
SCOPE = Limits(scope="team:search", max_open_batches=1, max_files=1)


async def fill(storage: Storage) -> None:
    """One row of everything at least, and something in every column."""
    await _fill_keys(storage)
    await storage.outbox.register([RegisteredSink(name="log", is_ordered=True)])
    file = await _upload(storage)
    await _ended_batch(storage, file)
    await _open_batch(storage, file)
    deleted = a_file(id="file-lb00000000000000000000000009", created_at=NOW, accepted_at=NOW)
    await storage.create_file(deleted, [a_copy(deleted, state=CopyState.DELETED, next_check_at=LATER)])
    await storage.change_file(deleted.id, file_writing(file=replace(deleted, deleted_at=NOW)))
    await _contents(storage)
    await _lines(storage, file)
    endpoint = an_endpoint(
        id="we_lb00000000000000000000000001",
        name=TEXT,
        event_types=tuple(WebhookEventType),
        version=2,
        old_key_fingerprint="11" * 8,
        keeps_old_until=LATER,
        rotated_at=NOW,
        disabled_at=NOW,
        disabled_reason=TEXT,
        failures=3,
        tried_at=NOW,
        next_attempt_at=LATER,
        claimed_by="worker",
        claimed_until=NOW,
        epoch=1,
        created_at=NOW,
        updated_at=NOW,
    )
    await storage.webhook_endpoints.create(endpoint, most=1)
    told = Event(id="evt_lb00000000000000000000000002", subject="deployment:east", type="x", created_at=NOW)
    await storage.outbox.tell(Telling(event=told, name="x", mark=TEXT, until=LATER))


async def _lines(storage: Storage, file: File) -> None:
    """A live job that has ended, and one of which a range is held and is to be run on."""
    batch = a_batch(file, id=LIVE, created_at=NOW, expires_at=LATER, output_file_id=LIVE_OUTPUT)
    live: dict[str, Any] = {"lane": Lane.LIVE, "created_at": NOW, "next_check_at": None}
    ended = a_job(batch, id="job_lb00000000000000000000000004", state=JobState.SETTLED, **live)
    running = a_job(batch, id="job_lb00000000000000000000000005", attempt=2, state=JobState.SUBMITTED, **live)
    output = a_file(id=LIVE_OUTPUT, kind=FileKind.OUTPUT, batch_id=LIVE, created_at=NOW, accepted_at=None)
    held: dict[str, Any] = {"expires_at": LATER, "claimed_by": "worker", "claimed_until": NOW, "epoch": 3}
    ranges = (
        a_line_range(ended, lines=2, next_check_at=NOW, **held),
        a_line_range(running, lines=2, one_by_one=True, trying=1, tries=2, next_check_at=LATER, **held),
    )
    part = FilePart(file_id=LIVE_OUTPUT, seq=0, kind=PartKind.ROWS, bytes=256, job_id=ended.id)
    change = BatchChange(
        batch=batch, new_jobs=(ended, running), files=(output,), parts=(part,), line_ranges=ranges
    )
    await storage.create_batch(file.id, lambda _: change)
    kinds = (FileKind.OUTPUT, FileKind.ERROR)
    made = tuple(LineResult(line=line, kind=kind, row=bytes(range(256))) for line, kind in enumerate(kinds))
    writes = [
        RangeWrite(range=ranges[0], results=made),
        RangeWrite(range=ranges[1], results=made[:1]),
    ]
    await storage.lines.write(writes)
    await storage.change_batch(LIVE, writing(jobs=(replace(ended, reason=TEXT),)))


async def _contents(storage: Storage) -> None:
    """One that is kept: a claim on one that is being written would tell each database's own time."""
    key = "content-lb00000000000000000000000001"
    content = a_content(key=key, watch_until=LATER, created_at=NOW, next_check_at=NOW)
    await storage.contents.begin(content, lease_seconds=1)
    await storage.contents.put_chunk(key, 0, bytes(range(256)))
    file = a_file(id="file-lb00000000000000000000000004", created_at=NOW, accepted_at=NOW)
    await storage.create_file(file, [])
    await storage.change_file(file.id, file_writing(parts=(a_stored_part(file, content, bytes=256),)))
    await _uploads(storage)


async def _uploads(storage: Storage) -> None:
    """One that is pending, with a part, and one that has ended."""
    room = UploadRoom(bytes=1 << 40)
    times: dict[str, Any] = {"created_at": NOW, "expires_at": LATER}
    upload = an_upload(
        id="upload_lb00000000000000000000000001",
        filename=TEXT,
        file_id=INPUT,
        completion="00" * 32,
        request_key=TEXT,
        request_fingerprint="11" * 32,
        **times,
    )
    ended = an_upload(id="upload_lb00000000000000000000000002", **times)
    for each in (upload, ended):
        await storage.uploads.create(each, keys_since=NOW, room=room)
    await storage.uploads.end(ended.id, UploadStatus.CANCELLED, NOW)
    content = a_content(key="content-lb00000000000000000000000002", created_at=NOW, next_check_at=NOW)
    await storage.contents.begin(content, lease_seconds=1)
    part = an_upload_part(upload, content, id="part_lb00000000000000000000000001", created_at=NOW)
    await storage.uploads.add_part(part, room=room)


async def _fill_keys(storage: Any) -> None:
    made: dict[str, Any] = {
        "models": ("gpt-4o-batch", "openai/*"),
        "max_batch_requests": 1,
        "max_open_batches": 2,
        "max_enqueued_requests": 3,
        "max_enqueued_tokens": 4,
        "max_file_bytes": 5,
        "max_files": 6,
        "max_budget": Decimal("12.50"),
        "soft_budget": Decimal("10"),
        "budget_duration": "30d",
        "blocked": True,
        "metadata": {"a": [TEXT]},
        "created_at": NOW,
        "updated_at": NOW,
        "created_by": "admin",
    }
    await storage.keys.create(Team(id=TEAM, alias=TEXT, **made))
    await storage.keys.create(User(id=USER, alias=TEXT, email="a@b.example", role="proxy_admin", **made))
    key = VirtualKey(
        id=KEY,
        alias=TEXT,
        token="0" * 64,
        hint="sk-...abcd",
        user_id=USER,
        team_id=TEAM,
        expires_at=LATER,
        **made,
    )
    await storage.keys.create(key)


async def _upload(storage: Storage) -> File:
    file = a_file(
        id=INPUT,
        filename=TEXT,
        bytes=2**40,
        models=("gpt-4o-batch", "gpt-4o"),
        id_sum=2**128 - 1,
        status=FileStatus.PROCESSED,
        created_at=NOW,
        accepted_at=NOW,
        expires_at=LATER,
        tokens=100,
        output_tokens=2**40,
        unlimited_answers=1,
        request_fingerprint="fingerprint",
        answering_until=NOW,
        next_shard=3,
    )
    copy = a_copy(
        file,
        provider_file_id="file-abc",
        model="gpt-4o-mini",
        bytes=2**41,
        expires_at=LATER,
        state=CopyState.READY,
        error=TEXT,
        attempts=2,
        ready_at=NOW,
        started_at=NOW,
        search_until=NOW,
        watch_until=NOW,
        next_check_at=LATER,
        claimed_by="worker",
        claimed_until=NOW,
        epoch=3,
    )
    request = a_request(file, key="key of a file", at=NOW)
    hold = FileHold(scope=SCOPE.scope, limits=(SCOPE,))
    await storage.create_file(
        file, [copy], shards=[a_shard(file, sha256=file.sha256)], request=request, holds=[hold]
    )
    return file


async def _ended_batch(storage: Storage, file: File) -> None:
    batch = a_batch(
        file,
        id=ENDED,
        metadata={TEXT: TEXT},
        output_expires_after=3600,
        created_at=NOW,
        in_progress_at=NOW,
        expires_at=NOW + timedelta(hours=24),
        counts=Counts(total=2, completed=1, failed=1),
        usage=Usage(input_tokens=5, cached_tokens=1, output_tokens=3, reasoning_tokens=1, total_tokens=8),
        errors=(BatchError(code="code", message=TEXT, param="x", line=3),),
        looked_at=NOW,
        request_fingerprint="fingerprint",
        answering_until=NOW,
        answered_at=NOW,
        deployment_id="east",
        waiting_for=WaitingFor(
            reason="deployments_busy",
            until=NOW,
            deployments={"east": DeploymentWait(reason="busy", status=429, until=NOW)},
        ),
        scopes=("key:key-1", SCOPE.scope),
        options=BatchOptions(rescue=False, row_retries=2, at_expiry="stop"),
        retry_of=TEXT,
    )
    refused = a_job(
        batch,
        id="job_lb00000000000000000000000001",
        state=JobState.REFUSED,
        reason=TEXT,
        created_at=NOW,
        next_check_at=None,
        errors=(BatchError(code="code", message=TEXT, param="x", line=3),),
    )
    job = a_job(
        batch,
        id="job_lb00000000000000000000000002",
        attempt=2,
        provider_file_id="file-abc",
        submit_started_at=NOW,
        state=JobState.ENDED,
        provider_batch_id="batch_abc",
        snapshot=ProviderBatch(id="batch_abc", status=BatchStatus.COMPLETED),
        search_until=NOW,
        to_cancel=True,
        cancel_sent_at=NOW,
        reads=(ShortRead(at=NOW, seen="seen", rows=9, withheld_since=NOW),),
        created_at=NOW,
        ended_at=NOW,
        next_check_at=NOW,
        checks=4,
        copy_refusals=1,
        stop_requested_at=NOW,
        stop_reason=TEXT,
    )
    await storage.create_batch(file.id, lambda _: BatchChange(batch=batch, new_jobs=(refused, job)))
    output = a_file(id=OUTPUT, kind=FileKind.OUTPUT, batch_id=batch.id, created_at=NOW, accepted_at=NOW)
    error = replace(output, id=ERROR, kind=FileKind.ERROR)
    part = FilePart(
        file_id=OUTPUT,
        seq=0,
        kind=PartKind.PROVIDER,
        bytes=401,
        deployment_id="east",
        provider_file_id="file-out",
        provider_bytes=400,
        end_line=True,
        digest="00ff",
        place=1 << 32,
    )
    outcome = Outcome(counts=batch.counts, usage=batch.usage, cancelled=1, expired=2, handed_on=3, executed=4)
    charge = a_charge(
        job,
        batch,
        id="chg_lb00000000000000000000000001",
        cost=Decimal("1.5"),
        created_at=NOW,
        price_source="us",
        scopes=batch.scopes,
    )
    settled = writing(
        batch=replace(batch, status=BatchStatus.COMPLETED, completed_at=NOW, output_file_id=OUTPUT),
        jobs=(replace(job, state=JobState.SETTLED, next_check_at=None, may_hand_on=True, outcome=outcome),),
        files=(output, error),
        copies=(a_copy(output, state=CopyState.READY, next_check_at=None),),
        parts=(part, a_part(error, rows=bytes(range(256)), bytes=256)),
        charges=(charge, replace(charge, id="chg_lb00000000000000000000000002", corrects=charge.id)),
        events=(an_event(batch, id="evt_lb00000000000000000000000001", created_at=NOW),),
    )
    await storage.change_batch(batch.id, settled)


async def _open_batch(storage: Storage, file: File) -> None:
    """One that has results of a job, and a shard of its own."""
    batch = a_batch(
        file,
        id=OPEN,
        created_at=NOW,
        expires_at=LATER,
        cancel_requested_at=NOW,
        scopes=(SCOPE.scope,),
        output_file_id=HIDDEN,
    )
    output = a_file(id=HIDDEN, kind=FileKind.OUTPUT, batch_id=OPEN, created_at=NOW, accepted_at=None)
    rest = a_shard(file, shard=1, batch_id=OPEN, id_sum=2**127, lines=1, id_count=1, lines_of_root=b"\x02")
    job = a_job(
        batch,
        id="job_lb00000000000000000000000003",
        state=JobState.SUBMITTED,
        tokens=100,
        created_at=NOW,
        next_check_at=NOW,
        refresh_from=NOW,
    )
    limits = replace(SCOPE, soft_budget=Decimal(100), max_budget=Decimal(200), budget_duration="30d")
    reserved = Reservation(
        scope=SCOPE.scope, requests=2, tokens=100, cost=Decimal("1.25"), at=NOW, limits=(limits,)
    )
    change = BatchChange(
        batch=batch,
        new_jobs=(job,),
        new_shards=(rest,),
        files=(output,),
        parts=(a_part(output),),
        reservations=(reserved,),
    )
    request = a_request(batch, key="key of a batch", at=NOW)
    await storage.create_batch(file.id, lambda _: change, request=request)


OTHERS = """
INSERT INTO heartbeats (worker, deployments, since, seen_at)
VALUES ('worker', '{"east": ["gpt-4o-batch", "openai/*"]}', 1767323045678901, 1767323045678902);
INSERT INTO deployment_limits (deployment_id, model, tokens, learned_at)
VALUES ('east', 'gpt-4o-mini', 2000000, 1767323045678901);
INSERT INTO drained_deployments (deployment_id, drained_at) VALUES ('west', 1767323045678901);
INSERT INTO ended_sessions (id, until) VALUES ('00', 1767323045678901);
INSERT INTO line_alone (deployment_id, worker, until) VALUES ('east', 'worker', 1767323045678901);
UPDATE installation SET fingerprint = NULL;
"""
"""What no method of a storage writes yet, or with the time of its own; and no place, for it has none."""


def schema(backend: str) -> tuple[int, str]:
    """The newest version of the schema, and what makes it."""
    package = PACKAGES[backend]
    migrations = load_migrations(package, Queries.load(package, TABLES))
    return migrations[-1].number, "\n".join(migration.sql for migration in migrations)


def tables(statements: str) -> list[str]:
    """The tables that these statements make, in their order."""
    return list(dict.fromkeys(re.findall(r"^CREATE TABLE (\w+)", statements, re.MULTILINE)))


async def _fill(storage: Storage) -> None:
    """Fill a new storage. It is closed also where that fails: its threads keep a process alive."""
    await storage.open()
    try:
        await fill(storage)
    finally:
        await storage.close()


async def sqlite_dump(folder: Path) -> str:
    """What makes a filled SQLite database."""
    database = folder / "filled.db"
    await _fill(SQLiteStorage(database))
    _, made = schema("sqlite")
    inserts: list[str] = []
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.executescript(OTHERS)
        for table in tables(made):
            cursor = connection.execute(f"SELECT * FROM {table}")
            columns = [column[0] for column in cursor.description]
            quoted = ", ".join(f'quote("{column}")' for column in columns)
            rows = connection.execute(f"SELECT {quoted} FROM {table}").fetchall()
            inserts += [_insert(table, columns, row) for row in rows]
    return "\n".join([made, *inserts, ""])


async def postgres_dump() -> str:
    """What makes a filled PostgreSQL database."""
    async with empty_database_url() as url:
        await _fill(PostgresStorage(url))
        _, made = schema("postgresql")
        inserts: list[str] = []
        async with connected(url) as connection:
            await connection.execute(OTHERS)
            for table in tables(made):
                found = await connection.fetch(
                    "SELECT attname FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0", table
                )
                columns = [row[0] for row in found]
                quoted = ", ".join(f'quote_nullable("{column}"::text)' for column in columns)
                rows = await connection.fetch(f"SELECT {quoted} FROM {table}")
                inserts += [_insert(table, columns, row) for row in rows]
    return "\n".join([made, *inserts, ""])


def _insert(table: str, columns: list[str], row: Any) -> str:
    named = ", ".join(f'"{column}"' for column in columns)
    return f"INSERT INTO {table} ({named}) VALUES ({', '.join(row)});"


@asynccontextmanager
async def connected(url: str) -> AsyncGenerator[asyncpg.Connection[Any]]:
    """A connection to a PostgreSQL database."""
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


def reading(backend: str) -> dict[str, str]:
    """By table, the statement that reads all its rows."""
    queries = Queries.load(PACKAGES[backend], TABLES)
    return {
        table.name: queries.expanded(f"SELECT {{{table.name}}} FROM {table.name} AS {table.name}")
        for table in TABLES
    }


def decoded(rows: Mapping[str, Sequence[Row]]) -> Rows:
    """Rows as today's code understands them, by table, in an order of their own."""
    return {
        table.name: in_order(_as_json(table.decode(tuple(row))) for row in rows[table.name])
        for table in TABLES
    }


def _as_json(row: msgspec.Struct) -> dict[str, Any]:
    return msgspec.json.decode(msgspec.json.encode(row), type=dict[str, Any])


def in_order(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows sorted by all that they hold."""
    return sorted(rows, key=msgspec.json.encode)


def sqlite_rows(database: Path) -> Rows:
    """The rows of an SQLite database."""
    with closing(sqlite3.connect(database)) as connection:
        return decoded(
            {table: connection.execute(sql).fetchall() for table, sql in reading("sqlite").items()}
        )


async def postgres_rows(url: str) -> Rows:
    """The rows of a PostgreSQL database."""
    async with connected(url) as connection:
        return decoded({table: await connection.fetch(sql) for table, sql in reading("postgresql").items()})


async def main() -> None:
    """Write the files of the newest version."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        texts = {"sqlite": await sqlite_dump(folder), "postgresql": await postgres_dump()}
        number, _ = schema("sqlite")
        version = VERSIONS / str(number)
        version.mkdir(parents=True, exist_ok=True)
        for backend, text in texts.items():
            (version / f"{backend}.sql").write_text(text, encoding="utf-8")
        rows = msgspec.json.encode(sqlite_rows(folder / "filled.db"))
        (version / "rows.json").write_bytes(msgspec.json.format(rows, indent=1) + b"\n")


if __name__ == "__main__":
    asyncio.run(main())
