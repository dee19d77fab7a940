"""`-p tests.workers --workers 5`: tests run in five processes that are forked once everything is collected.

To import what all tests need takes longer than most of them: it is done once, not once in each process.
"""

from __future__ import annotations

import signal
import sys
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager
from io import StringIO
from itertools import pairwise
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import Any

import pytest

END_SECONDS = 10.0
"""how long a process may take to end, with what it has started"""
INTERRUPTED = 130
"""exit code of what was interrupted"""


def pytest_addoption(parser: pytest.Parser) -> None:
    """How many processes."""
    parser.addoption("--workers", type=int, default=0, help="how many processes run tests; 0: this one does")


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Run the tests of a session, unless pytest is to do that itself."""
    count: int = min(session.config.option.workers, len(session.items))
    if not count or session.testsfailed or session.config.option.collectonly:
        return None
    if terminal := _plugin(session.config, "terminalreporter"):
        terminal.showfspath = False  # tests of many files run at once
    with _workers(session, count) as workers:
        while running := {worker.reports: worker for worker in workers if not worker.has_ended}:
            for connection in wait(list(running)):
                assert isinstance(connection, Connection)
                running[connection].hear(workers)
                if session.shouldfail:
                    raise session.Failed(session.shouldfail)
                if session.shouldstop:
                    raise session.Interrupted(session.shouldstop)
    return True


class Worker:
    """A process that runs tests, seen from the one that has collected them.

    It knows two by their numbers: the one that it runs and the next, for what both of them use to stay.
    """

    reports: Connection
    """what it sends: reports, and None when it is through with a test"""

    def __init__(self, session: pytest.Session, share: range) -> None:
        self._session = session
        self._share = share
        self._given = deque[int | None]()
        self.has_ended = False

    def start(self, workers: list[Worker]) -> None:
        """Fork it, and give it tests: its own, or some of the others'."""
        context = get_context("fork")
        self.reports, theirs = context.Pipe()
        self._process = context.Process(target=_run_tests, args=(self._session, theirs))
        self._process.start()
        theirs.close()
        for _ in range(2):
            self._give(workers)

    def stop(self) -> None:
        """End it, and what it does, unless it has ended."""
        if not self.has_ended:
            self._process.terminate()
            self._process.join(END_SECONDS)
            self._process.kill()
            self._process.join()

    def hear(self, workers: list[Worker]) -> None:
        """Take one thing that it sends, or its end."""
        config = self._session.config
        try:
            data = self.reports.recv()
        except EOFError:
            self._end(workers)
            return
        if data is not None:
            report = config.hook.pytest_report_from_serializable(config=config, data=data)
            config.hook.pytest_runtest_logreport(report=report)
            return
        self._given.popleft()
        self._give(workers)

    def _give(self, workers: list[Worker]) -> None:
        if self._given and self._given[-1] is None:
            return
        if not self._share:
            self._share = max(workers, key=lambda worker: len(worker._share))._halved()
        number = self._share[0] if self._share else None
        self._share = self._share[1:]
        self._given.append(number)
        self.reports.send(number)

    def _halved(self) -> range:
        """The latter half of its share, which it gives away."""
        middle = len(self._share) // 2
        self._share, given_away = self._share[:middle], self._share[middle:]
        return given_away

    def _end(self, workers: list[Worker]) -> None:
        """Have another one go on if a test has ended it."""
        self.reports.close()
        self._process.join()
        running = self._given.popleft()
        if running is None:
            self.has_ended = True
            return
        item = self._session.items[running]
        what = f"its process has ended: exit code {self._process.exitcode}"
        report = pytest.TestReport(item.nodeid, item.location, {}, "failed", what, "call")
        item.config.hook.pytest_runtest_logreport(report=report)
        if self._given.popleft() is not None:
            self._share = range(self._share.start - 1, self._share.stop)
        self.start(workers)


@contextmanager
def _workers(session: pytest.Session, count: int) -> Generator[list[Worker]]:
    """So many, each with its share of the tests; none of them outlives the block."""
    _folders(session.config).getbasetemp()  # all processes have theirs in it
    bounds = [len(session.items) * number // count for number in range(count + 1)]
    workers = [Worker(session, range(*pair)) for pair in pairwise(bounds)]
    started: list[Worker] = []
    try:
        for worker in workers:
            worker.start(workers)
            started.append(worker)
        yield workers
    finally:
        for worker in started:
            worker.stop()


def _run_tests(session: pytest.Session, parent: Connection) -> None:
    """Run the tests whose numbers the parent sends, in a process of their own."""
    for number in (
        signal.SIGINT,
        signal.SIGTERM,
    ):  # the first is ignored behind `nohup`
        signal.signal(number, signal.default_int_handler)
    _have_to_itself(session.config)
    session.config.pluginmanager.register(_Reports(session.config, parent))
    try:
        running: int | None = parent.recv()
        while running is not None:
            following: int | None = parent.recv()
            session.config.hook.pytest_runtest_protocol(
                item=session.items[running],
                nextitem=session.items[following] if following is not None else None,
            )
            parent.send(None)
            running = following
    except (KeyboardInterrupt, EOFError, BrokenPipeError):  # the last two: of a parent that was killed
        _plugin(session.config, "runner").pytest_sessionfinish(session)
        sys.exit(INTERRUPTED)


def _have_to_itself(config: Any) -> None:
    """Share no terminal, no captured output and no folder of temporary files with other processes."""
    if terminal := _plugin(config, "terminalreporter"):
        terminal._tw = type(terminal._tw)(StringIO())
    capturing = _plugin(config, "capturemanager")
    capturing.stop_global_capturing()
    capturing.start_global_capturing()
    capturing.suspend_global_capture()
    folders = _folders(config)
    folders._basetemp = folders.mktemp("worker-")


def _folders(config: Any) -> Any:
    """What makes temporary folders for tests."""
    return config._tmp_path_factory


def _plugin(config: pytest.Config, name: str) -> Any:
    """One of pytest's own."""
    return config.pluginmanager.getplugin(name)


class _Reports:
    """Sends each report to the parent."""

    def __init__(self, config: pytest.Config, parent: Connection) -> None:
        self._config = config
        self._parent = parent

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        data = self._config.hook.pytest_report_to_serializable(config=self._config, report=report)
        self._parent.send(data)
