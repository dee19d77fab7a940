"""What LiteBatch is compared with: Starlette alone, doing the one thing that a figure is about.

Run as a program it serves until it is told to stop, on a port that it prints.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import aiosqlite
import asyncpg
from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from litebatch_asgi.models import Batch
from litebatch_asgi.server.listen import address_of, listen, loop_factory, serving, until_told_to_stop

Read: TypeAlias = Callable[[str], Awaitable[Any]]
"""The columns of the batch with this id."""
_READ = f"SELECT {', '.join(Batch.__struct_fields__)} FROM batches WHERE id = "
_MOMENTS = tuple(name for name in Batch.__struct_fields__ if name.endswith("_at"))


async def receive(request: Request) -> Response:
    """An upload, by Starlette's own form parser: large files go to disk."""
    async with request.form() as form:
        file = form["file"]
        assert isinstance(file, UploadFile)
        return JSONResponse({"bytes": file.size})


@asynccontextmanager
async def reading(database: str) -> AsyncGenerator[Read]:
    """How a batch is read: as the driver alone does it, from a file or a PostgreSQL URL."""
    if database.startswith("postgresql:"):
        async with asyncpg.create_pool(database, min_size=0, reset=_nothing) as pool:
            yield lambda batch_id: pool.fetchrow(f"{_READ} $1", batch_id)
        return
    async with aiosqlite.connect(database) as connection:

        async def read(batch_id: str) -> Any:
            return next(iter(await connection.execute_fetchall(f"{_READ} ?", (batch_id,))))

        yield read


async def _nothing(_: object) -> None:
    """What is done to a connection that comes back: as LiteBatch does."""


def retrieve(read: Read) -> Route:
    """A batch, read like LiteBatch reads it and told in OpenAI's shape."""

    async def endpoint(request: Request) -> Response:
        row = await read(request.path_params["id"])
        return JSONResponse(_batch_object(dict(zip(Batch.__struct_fields__, row, strict=True))))

    return Route("/v1/batches/{id}", endpoint)


def _batch_object(row: dict[str, Any]) -> dict[str, Any]:
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


async def _serve(database: str) -> None:
    routes = [Route("/v1/files", receive, methods=["POST"])]
    listener = listen("127.0.0.1", 0)
    async with reading(database) as read:
        app = Starlette(routes=[*routes, retrieve(read)])
        async with serving(app, listener):
            print(address_of(listener), flush=True)
            await until_told_to_stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", default=":memory:", help="a file of SQLite, or a PostgreSQL URL")
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_serve(parser.parse_args().database))


if __name__ == "__main__":
    main()
