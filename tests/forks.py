"""`litebatch` in processes that are forked from one which has imported everything: they start at once.

What such a process may be given beyond the command line: a clock that is wrong, and the name of a protection
to go without. Whether the command itself starts is for `tests.cli.processes` to see.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import tempfile
import termios
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib import import_module
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TextIO

import msgspec

from litebatch_asgi import clock
from litebatch_asgi.cli import main
from tests.cli.processes import SECONDS, Running, environment

IMPORTED = (
    "anyio._backends._asyncio",
    "anyio._core._signals",
    "genai_prices.data",
    "google.auth.transport.requests",
    "google.oauth2.service_account",
    "litebatch_asgi.cli.client.batches",
    "litebatch_asgi.cli.client.files",
    "litebatch_asgi.cli.client.results",
    "litebatch_asgi.cli.client.run",
    "litebatch_asgi.cli.commands",
    "litebatch_asgi.cli.key_commands",
    "litebatch_asgi.cli.serve",
    "litebatch_asgi.cli.work",
    "litebatch_asgi.config.document",
    "litebatch_asgi.metrics.exposition",
    "litebatch_asgi.metrics.gauges",
    "litebatch_asgi.metrics.prometheus",
    "litebatch_asgi.providers.anthropic",
    "litebatch_asgi.providers.azure",
    "litebatch_asgi.providers.openai",
    "litebatch_asgi.providers.vertex",
    "litebatch_asgi.server.httptools_heads",
    "litebatch_postgres",
    "litebatch_sqlite",
    "uvicorn.lifespan.off",
    "uvicorn.loops.auto",
    "uvloop",
    "yaml",
)
"""what each process would otherwise import by itself"""
MUTATIONS = "tests.survival.mutations"


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """How a process is to be started."""

    arguments: tuple[str, ...]
    environment: dict[str, str]
    stdout: Path | Connection
    stderr: Path | None
    """files are appended to; None: stdout is a terminal, which it has all to itself"""
    folder: Path | None = None
    """where it runs; here unless one is given"""
    clock_ahead_seconds: float = 0.0
    without: str | None = None
    """a protection that it goes without, by its name in `tests.survival.mutations`"""


class Forked:
    """A process that was forked, to be used as `subprocess.Popen`."""

    def __init__(self, order: Order) -> None:
        context = get_context("forkserver")
        preload = [__name__, *IMPORTED, *([MUTATIONS] if order.without is not None else [])]
        context.set_forkserver_preload(preload)
        self._process = context.Process(target=obey, args=(order,))
        self._process.start()
        assert self._process.pid is not None
        self.pid: int = self._process.pid
        self.sentinel: int = self._process.sentinel
        """readable when it has ended"""

    def poll(self) -> int | None:
        """Its exit code, if it has ended: -9 if it was killed."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Wait so many seconds until it has ended; its exit code."""
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired("litebatch", timeout or 0.0)
        return self._process.exitcode

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal, such as SIGSTOP, if it lives."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once, wherever it is, and wait until it is gone."""
        self._process.kill()
        self._process.join()


def obey(order: Order) -> None:
    """Be `litebatch`, in a process of its own."""
    if order.stderr is None:
        _take_terminal(order.stdout)
    else:
        os.dup2(sys.stdin.fileno(), 0)  # of /dev/null, for what is forked
        _write_to(1, order.stdout)
        _write_to(2, order.stderr)
    sys.stdin = os.fdopen(0, closefd=False)
    warnings.simplefilter("error")
    os.environ.clear()
    os.environ.update(order.environment)
    if order.folder is not None:
        os.chdir(order.folder)
    if order.clock_ahead_seconds:
        shift_clock(timedelta(seconds=order.clock_ahead_seconds))
    if order.without is not None:
        import_module(MUTATIONS).switch_off(order.without)
    sys.argv = ["litebatch", *order.arguments]
    main()


def _take_terminal(terminal: Path | Connection) -> None:
    os.setsid()
    for stream in (0, 1, 2):
        _write_to(stream, terminal, closes=stream == 2)
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _write_to(stream: int, target: Path | Connection, *, closes: bool = True) -> None:
    if isinstance(target, Path):
        file = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(file, stream)
        os.close(file)
    else:
        os.dup2(target.fileno(), stream)
        if closes:
            target.close()


def shift_clock(ahead: timedelta) -> None:
    """Let the one place where this process reads the time be wrong."""

    def wrong_now() -> datetime:
        return datetime.now(UTC) + ahead

    clock.process_now = wrong_now


def run(*arguments: str, cwd: Path, **extra: str) -> subprocess.CompletedProcess[str]:
    """Run `litebatch` to its end."""
    with tempfile.TemporaryDirectory() as folder:
        stdout, stderr = Path(folder, "stdout"), Path(folder, "stderr")
        order = Order(
            arguments=arguments, environment=environment(extra), stdout=stdout, stderr=stderr, folder=cwd
        )
        code = Forked(order).wait(SECONDS)
        return subprocess.CompletedProcess(arguments, code, stdout.read_text(), stderr.read_text())


@contextmanager
def running(*arguments: str, cwd: Path, until: str, **extra: str) -> Generator[Running]:
    """Start `litebatch` in `cwd` and wait until it prints a line with `until`; it is killed at the end."""
    log = cwd / f"{arguments[0]}.log"
    with _pipe() as (stdout, their_end):
        order = Order(
            arguments=arguments, environment=environment(extra), stdout=their_end, stderr=log, folder=cwd
        )
        process = Forked(order)
        their_end.close()
        try:
            started = Running(process, stdout, log)
            started.read_until(until)
            yield started
        finally:
            process.kill()


@contextmanager
def _pipe() -> Generator[tuple[TextIO, Connection]]:
    """What is written to the second comes out of the first."""
    reader, writer = get_context("forkserver").Pipe(duplex=False)
    with reader, writer, open(reader.fileno(), closefd=False) as stream:
        yield stream, writer
