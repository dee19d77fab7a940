"""Bare routes of batches: what a driver alone reads and writes, told in OpenAI's shape."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol

import aiosqlite
import anyio
import asyncpg
import httpx2
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from benchmarks._seed import OWNER
from litebatch_asgi.models import Batch

_FIELDS = Batch.__struct_fields__
_COLUMNS = ", ".join(_FIELDS)
_MOMENTS = tuple(name for name in _FIELDS if name.endswith("_at"))
_READ = f"SELECT {_COLUMNS} FROM batches WHERE id = ?1"
_LIST = f"SELECT {_COLUMNS} FROM batches WHERE owner = ?1 ORDER BY created_at DESC, id DESC LIMIT ?2"
_FILE = "SELECT * FROM files WHERE id = ?1 AND owner = ?2"
_WRITTEN = {"batches": "id", "reservations": "batch_id", "jobs": "batch_id", "events": "batch_id"}
"""the tables that a create writes to, in this order, and where each has the batch's id"""

Rows = Sequence[Any]
"""tuples, or what can be used like them"""
Statement = tuple[str, Sequence[Any]]
"""SQL with `?1` and so on, and what stands for these"""


class Driver(Protocol):
    """A database, as a driver alone gives access to it."""

    async def read(self, sql: str, *values: Any) -> Rows:
        """What a query finds."""
        ...

    async def columns(self, table: str) -> list[str]:
        """The columns of a table."""
        ...

    async def write(self, statements: Iterable[Statement]) -> None:
        """Execute all in one transaction."""
        ...


class _SQLite:
    def __init__(self, reader: aiosqlite.Connection, writer: aiosqlite.Connection) -> None:
        self._reader, self._writer = reader, writer
        self._turn = anyio.Lock()

    async def read(self, sql: str, *values: Any) -> Rows:
        return list(await self._reader.execute_fetchall(sql, values))

    async def columns(self, table: str) -> list[str]:
        async with self._reader.execute(f"SELECT * FROM {table} LIMIT 0") as cursor:
            return [column[0] for column in cursor.description]

    async def write(self, statements: Iterable[Statement]) -> None:
        async with self._turn:
            await self._writer.execute("BEGIN IMMEDIATE")
            for sql, values in statements:
                await self._writer.execute(sql, values)
            await self._writer.commit()


class _PostgreSQL:
    def __init__(self, pool: asyncpg.Pool[Any]) -> None:
        self._pool = pool

    async def read(self, sql: str, *values: Any) -> Rows:
        found: Rows = await self._pool.fetch(sql.replace("?", "$"), *values)
        return found

    async def columns(self, table: str) -> list[str]:
        async with self._pool.acquire() as connection:
            prepared = await connection.prepare(f"SELECT * FROM {table} LIMIT 0")
            return [column.name for column in prepared.get_attributes()]

    async def write(self, statements: Iterable[Statement]) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            for sql, values in statements:
                await connection.execute(sql.replace("?", "$"), *values)


@asynccontextmanager
async def driver(database: str) -> AsyncGenerator[Driver]:
    """That of a database: a file of SQLite, or a PostgreSQL URL."""
    if database.startswith("postgresql:"):
        async with asyncpg.create_pool(database, min_size=0, reset=_nothing) as pool:
            yield _PostgreSQL(pool)
        return
    async with (
        aiosqlite.connect(database, isolation_level=None) as reader,
        aiosqlite.connect(database, isolation_level=None) as writer,
    ):
        await writer.execute("PRAGMA synchronous = FULL")
        yield _SQLite(reader, writer)


async def _nothing(_: object) -> None:
    """What is done to a connection that comes back: as LiteBatch does."""


def reading(database: Driver) -> list[Route]:
    """One batch and the newest of its owner, read like LiteBatch reads them."""

    async def retrieve(request: Request) -> Response:
        (row,) = await database.read(_READ, request.path_params["id"])
        return JSONResponse(_batch_object(row))

    async def newest(request: Request) -> Response:
        limit = int(request.query_params["limit"])
        rows = await database.read(_LIST, OWNER, limit + 1)
        data = [_batch_object(row) for row in rows[:limit]]
        return JSONResponse(
            {
                "object": "list",
                "data": data,
                "first_id": data[0]["id"],
                "last_id": data[-1]["id"],
                "has_more": len(rows) > limit,
            }
        )

    return [Route("/v1/batches/{id}", retrieve), Route("/v1/batches", newest)]


@asynccontextmanager
async def creating(database: Driver, batch_id: str, provider: str) -> AsyncGenerator[Route]:
    """A create that writes what LiteBatch wrote for this batch: all of its rows, with other ids.

    As there, the rows that say what is to be done are committed, then the provider is asked, whose URL ends
    with its version, and what it answered is written.
    """
    made: list[tuple[str, dict[str, Any]]] = []
    for table, key in _WRITTEN.items():
        columns = await database.columns(table)
        found = await database.read(f"SELECT * FROM {table} WHERE {key} = ?1", batch_id)
        made += [(table, dict(zip(columns, row, strict=True))) for row in found]
    (batch,) = [row for table, row in made if table == "batches"]
    (job,) = [row for table, row in made if table == "jobs"]
    own = batch_id.removeprefix("batch_")
    announced, answered = made[:-1], [("batches", batch), ("jobs", job)]

    def values(row: dict[str, Any], new: str) -> list[Any]:
        return [each.replace(own, new) if isinstance(each, str) else each for each in row.values()]

    def insert(new: str, rows: Sequence[tuple[str, dict[str, Any]]]) -> Iterable[Statement]:
        for table, row in rows:
            places = ", ".join(f"?{place}" for place in range(1, len(row) + 1))
            told = values(row, new)
            if table == "events":
                told[list(row).index("id")] = f"evt_{uuid.uuid4().hex}"
            yield f"INSERT INTO {table} ({', '.join(row)}) VALUES ({places})", told

    def update(new: str) -> Iterable[Statement]:
        for table, row in answered:
            sets = ", ".join(f"{column} = ?{place}" for place, column in enumerate(row, 1))
            told = values(row, new)
            yield (
                f"UPDATE {table} SET {sets} WHERE id = ?{len(row) + 1}",
                [*told, told[list(row).index("id")]],
            )
        yield from insert(new, made[-1:])

    async with httpx2.AsyncClient(base_url=provider, headers={"authorization": "Bearer any"}) as client:

        async def create(request: Request) -> Response:
            asked = await request.json()
            if not await database.read(_FILE, asked["input_file_id"], OWNER):
                return JSONResponse({"error": {"message": "There is no such file."}}, status_code=404)
            new = f"lb{uuid.uuid4().hex[:26]}"
            await database.write(insert(new, announced))
            sent = asked | {"input_file_id": job["provider_file_id"], "metadata": {"job": new}}
            (await client.post("/batches", json=sent)).raise_for_status()
            await database.write(update(new))
            row = batch | {"id": f"batch_{new}"}
            return JSONResponse(_batch_object([row[name] for name in _FIELDS]))

        yield Route("/v1/batches", create, methods=["POST"])


def _batch_object(values: Sequence[Any]) -> dict[str, Any]:
    row = dict(zip(_FIELDS, values, strict=True))
    moments = {name: row[name] // 1_000_000 if row[name] is not None else None for name in _MOMENTS}
    return {
        "id": row["id"],
        "object": "batch",
        "endpoint": row["endpoint"],
        "errors": None,
        "input_file_id": row["input_file_id"],
        "completion_window": row["completion_window"],
        "status": row["status"],
        "output_file_id": row["output_file_id"],
        "error_file_id": row["error_file_id"],
        "model": row["model"],
        **moments,
        "request_counts": json.loads(row["counts"]),
        "usage": json.loads(row["usage"]) if row["usage"] is not None else None,
        "metadata": json.loads(row["metadata"]) if row["metadata"] is not None else None,
    }
