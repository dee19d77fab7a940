"""`litebatch serve` in a process that is forked from one which has imported everything: it starts at once.

What such a process may be given beyond the command line: failpoints, a clock that is wrong, and the name of
a protection to go without.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime, timedelta
from importlib import import_module
from multiprocessing import get_context
from multiprocessing.context import ForkServerContext
from pathlib import Path

import msgspec

from litebatch_asgi import clock
from litebatch_asgi.cli import main

IMPORTED = (
    "anyio._backends._asyncio",
    "litebatch_asgi.cli.commands",
    "litebatch_asgi.cli.serve",
    "litebatch_asgi.providers.openai",
    "litebatch_postgres",
    "litebatch_sqlite",
    "typer._adapters",
    "uvicorn.lifespan.off",
    "uvloop",
)
"""what each process would otherwise import by itself"""
MUTATIONS = "tests.survival.mutations"


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """How a process is to be started."""

    config: Path
    port: int
    log: Path
    failpoints: str = ""
    clock_ahead_seconds: float = 0.0
    without: str | None = None
    """a protection that it goes without, by its name in `tests.survival.mutations`"""


def obey(order: Order) -> None:
    """Serve, in a process of its own."""
    log = os.open(order.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream in (1, 2):
        os.dup2(log, stream)
    if order.clock_ahead_seconds:
        shift_clock(timedelta(seconds=order.clock_ahead_seconds))
    if order.without is not None:
        import_module(MUTATIONS).switch_off(order.without)
    os.environ["LITEBATCH_FAILPOINTS"] = order.failpoints
    sys.argv = ["litebatch", "serve", "--config", str(order.config), "--port", str(order.port)]
    main()


def shift_clock(ahead: timedelta) -> None:
    """Let the one place where this process reads the time be wrong."""

    def wrong_now() -> datetime:
        return datetime.now(UTC) + ahead

    clock.process_now = wrong_now


def forks(without: str | None = None) -> ForkServerContext:
    """Where processes are forked from."""
    context = get_context("forkserver")
    context.set_forkserver_preload([__name__, *IMPORTED, *([MUTATIONS] if without is not None else [])])
    return context
