"""What LiteBatch is compared with: Starlette alone, doing the one thing that a figure is about.

Run as a program it serves until it is told to stop, on a port that it prints.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path
from typing import Any

import aiosqlite
from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from litebatch_asgi.models import Batch
from litebatch_asgi.server.listen import address_of, listen, loop_factory, serving, until_told_to_stop

_READ = f"SELECT {', '.join(Batch.__struct_fields__)} FROM batches WHERE id = ?"
_MOMENTS = tuple(name for name in Batch.__struct_fields__ if name.endswith("_at"))


async def receive(request: Request) -> Response:
    """An upload, by Starlette's own form parser: large files go to disk."""
    async with request.form() as form:
        file = form["file"]
        assert isinstance(file, UploadFile)
        return JSONResponse({"bytes": file.size})


def retrieve(connection: aiosqlite.Connection) -> Route:
    """A batch, read like LiteBatch reads it and told in OpenAI's shape."""

    async def endpoint(request: Request) -> Response:
        rows = await connection.execute_fetchall(_READ, (request.path_params["id"],))
        return JSONResponse(_batch_object(dict(zip(Batch.__struct_fields__, next(iter(rows)), strict=True))))

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


async def _serve(database: Path | None) -> None:
    routes = [Route("/v1/files", receive, methods=["POST"])]
    listener = listen("127.0.0.1", 0)
    async with aiosqlite.connect(database or ":memory:") as connection:
        app = Starlette(routes=[*routes, retrieve(connection)])
        async with serving(app, listener):
            print(address_of(listener), flush=True)
            await until_told_to_stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", type=Path)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_serve(parser.parse_args().database))


if __name__ == "__main__":
    main()
