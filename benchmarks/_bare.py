"""What LiteBatch is compared with: Starlette alone, doing the one thing that a figure is about.

Run as a program it serves until it is told to stop, on a port that it prints.
"""

from __future__ import annotations

import argparse
import asyncio
from contextlib import AsyncExitStack

from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from benchmarks._bare_batches import creating, driver, reading
from litebatch_asgi.server.listen import address_of, listen, loop_factory, serving, until_told_to_stop


async def receive(request: Request) -> Response:
    """An upload, by Starlette's own form parser: large files go to disk."""
    async with request.form() as form:
        file = form["file"]
        assert isinstance(file, UploadFile)
        return JSONResponse({"bytes": file.size})


async def _serve(database: str, creates: tuple[str, str] | None) -> None:
    listener = listen("127.0.0.1", 0)
    async with AsyncExitStack() as stack:
        opened = await stack.enter_async_context(driver(database))
        routes = [Route("/v1/files", receive, methods=["POST"]), *reading(opened)]
        if creates is not None:
            routes.append(await stack.enter_async_context(creating(opened, *creates)))
        async with serving(Starlette(routes=routes), listener):
            print(address_of(listener), flush=True)
            await until_told_to_stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", default=":memory:", help="a file of SQLite, or a PostgreSQL URL")
    parser.add_argument(
        "--creates", nargs=2, metavar=("BATCH", "PROVIDER"), help="batches like this one, at this provider"
    )
    options = parser.parse_args()
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_serve(options.database, options.creates))


if __name__ == "__main__":
    main()
