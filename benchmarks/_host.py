"""A host: an app with a route of its own and, beside it, LiteBatch or a bare upload route.

Run as a program it tells, at `/lag`, how late its event loop has been since it was last asked.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from benchmarks._bare import receive
from benchmarks._gateway import LagMeter
from litebatch_asgi.app import LiteBatch
from litebatch_asgi.server.listen import address_of, listen, loop_factory, serving, until_told_to_stop
from litebatch_asgi.server.startup import Options, build

UNRELATED = "/unrelated"


async def unrelated(_: Request) -> Response:
    """The host's own work: next to nothing."""
    return PlainTextResponse("here")


def _app(meter: LagMeter, litebatch: LiteBatch | None) -> Starlette:
    async def lag(_: Request) -> Response:
        return JSONResponse(msgspec.to_builtins(meter.take()))

    files: BaseRoute = Route("/v1/files", receive, methods=["POST"])
    if litebatch is not None:
        files = Mount("/v1", litebatch.app)
    return Starlette(routes=[Route(UNRELATED, unrelated), Route("/lag", lag), files])


async def _serve(config: Path | None) -> None:
    litebatch = None if config is None else build(Options(host="127.0.0.1", config=config), os.environ)[1]
    meter, listener = LagMeter(), listen("127.0.0.1", 0)
    app = _app(meter, litebatch)
    async with AsyncExitStack() as stack:
        if litebatch is not None:
            await stack.enter_async_context(litebatch.lifespan(app))
        await stack.enter_async_context(meter.around())
        await stack.enter_async_context(serving(app, listener))
        print(address_of(listener), flush=True)
        await until_told_to_stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, help="LiteBatch's; without it there is a bare upload route")
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_serve(parser.parse_args().config))


if __name__ == "__main__":
    main()
