"""LiteBatch as `litebatch serve` runs it, before deployments of ours.

Run as a program it also tells, at `/lag`, how late its event loop has been since it was last asked. With
`--unmeasured` nothing that happens is counted.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import yaml
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from benchmarks._content import UPSTREAM_MODEL, VIRTUAL_MODEL
from benchmarks._processes import Server
from litebatch_asgi.app import LiteBatch
from litebatch_asgi.metrics import NO_METRICS
from litebatch_asgi.server import logs
from litebatch_asgi.server.gateway import build_gateway
from litebatch_asgi.server.listen import address_of, listen, loop_factory, serving, until_told_to_stop
from litebatch_asgi.server.startup import Options, build

SERVE = ("-c", "from litebatch_asgi.cli import main; main()", "serve", "--port", "0", "--config")
_PAUSE_SECONDS = 0.001


class Lag(msgspec.Struct, frozen=True, kw_only=True):
    """How much later than asked for a task came to its turn, in milliseconds."""

    median: float = 0.0
    p999: float = 0.0
    worst: float = 0.0
    p999_running: float = 0.0
    """p99.9 less the time in which the loop could have run and the kernel gave every core to others"""


def write_config(
    folder: Path, deployments: Sequence[Server], *, database: Path | str | None = None, **settings: Any
) -> Path:
    """A configuration with the deployments behind one virtual model; `database` is a file or a URL."""
    models = [
        {
            "model_name": VIRTUAL_MODEL,
            "params": {
                "model": f"hosted_vllm/{UPSTREAM_MODEL}",
                "api_base": "http://{}:{}/v1".format(*deployment.address),
                "api_key": "any",
            },
            "model_info": {"id": f"deployment-{number}", "lane": "native"},
        }
        for number, deployment in enumerate(deployments)
    ]
    return write_models(folder, models, database=database, **settings)


def write_models(
    folder: Path,
    models: Sequence[object],
    *,
    database: Path | str | None = None,
    master_key: str | None = None,
    **settings: Any,
) -> Path:
    """The same with deployments as a configuration has them; with a master key it has virtual keys."""
    if not isinstance(database, str):
        database = f"sqlite:///{database or folder / 'gateway.db'}"
    config = {
        "model_list": models,
        "general_settings": {"database_url": database} | ({"master_key": master_key} if master_key else {}),
        "litebatch_settings": {"spool_dir": str(folder), "place_budget_seconds": 300.0, **settings},
    }
    path = folder / "litebatch.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


class LagMeter:
    """A task that sleeps over and over, and notes how late it wakes. Linux only."""

    def __init__(self) -> None:
        self._late: list[float] = []
        self._late_running: list[float] = []

    @asynccontextmanager
    async def around(self) -> AsyncGenerator[None]:
        """Measure while the block lasts."""
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    def take(self) -> Lag:
        """What was measured since the last call."""
        late, running = sorted(self._late), sorted(self._late_running)
        self._late, self._late_running = [], []
        if not late:
            return Lag()
        rank = len(late) * 999 // 1000
        return Lag(median=late[len(late) // 2], p999=late[rank], worst=late[-1], p999_running=running[rank])

    async def _run(self) -> None:
        while True:
            began, waited = time.perf_counter(), _waited_for_a_core()
            await asyncio.sleep(_PAUSE_SECONDS)
            late = 1000 * (time.perf_counter() - began - _PAUSE_SECONDS)
            self._late.append(late)
            self._late_running.append(late - _waited_for_a_core() + waited)


def _waited_for_a_core() -> float:
    """Milliseconds so far. Source: the kernel's sched-stats, where it is the second figure."""
    return int(Path("/proc/thread-self/schedstat").read_bytes().split()[1]) / 1e6


def _with_lag(app: ASGIApp, meter: LagMeter) -> ASGIApp:
    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        is_asked = scope["type"] == "http" and scope["path"] == "/lag"
        answering: ASGIApp = JSONResponse(msgspec.to_builtins(meter.take())) if is_asked else app
        await answering(scope, receive, send)

    return answer


async def _serve(config_path: Path) -> None:
    config, litebatch = build(Options(host="127.0.0.1", config=config_path), os.environ)
    gateway = build_gateway(litebatch, logs.configure(config.secrets))
    meter, listener = LagMeter(), listen("127.0.0.1", 0)
    async with (
        litebatch.lifespan(gateway),
        meter.around(),
        serving(_with_lag(gateway, meter), listener),
    ):
        print(address_of(listener), flush=True)
        await until_told_to_stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--unmeasured", action="store_true")
    options = parser.parse_args()
    if options.unmeasured:
        LiteBatch.metrics = property(lambda _: NO_METRICS)  # type: ignore[assignment]
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_serve(options.config))


if __name__ == "__main__":
    main()
