"""Fixtures that all tests share."""

from __future__ import annotations

import gc
import threading
import zlib
from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import pytest

from litebatch_asgi.simulator import Simulator, SimulatorSettings
from tests.database import BACKENDS, Database, database_on
from tests.harness import InProcess, running_gateway

ON_EITHER = frozenset(
    {
        "access",
        "costs",
        "delivering",
        "faults",
        "journey",
        "keys",
        "limits",
        "replicas",
        "retries",
        "survival",
    }
)
"""folders whose tests run on one database, and on the other one in the long run"""
_DATABASES = ("backend", "shared")
"""fixtures whose parameter is the kind of database"""
FIRST = frozenset({"badinput", "examples", "readme", "replicas", "survival"})
"""folders with tests so long that nothing shall be left to wait for at the end but short ones"""

HALVED = ("::TestDatabasesOnSQLite::", "tests/storage/test_upgrades.py::", "tests/faults/test_renewals.py::")
"""of what the quick run takes every other test, for they share most of what they go through"""
ALL_LONG = ("test_matrix.py",)
"""modules that need not even be read for a quick run"""


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Skip what a quick run would only deselect."""
    is_quick = config.getoption("markexpr") == "not long"
    return True if is_quick and collection_path.name in ALL_LONG else None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for no garbage among what is collected: all of it stays."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave one of two databases to the long run, not the same one for all, where both would say the same."""
    for item in items:
        if any(each in item.nodeid for each in HALVED) and zlib.crc32(item.nodeid.encode()) % 2:
            item.add_marker(pytest.mark.long)
        callspec = getattr(item, "callspec", None)
        if item.path.parent.name not in ON_EITHER or callspec is None or _chooses(item):
            continue
        for backend in (callspec.params[name] for name in _DATABASES if name in callspec.params):
            same_on_all = item.nodeid.replace(backend, "").encode()
            if BACKENDS[zlib.crc32(same_on_all) % len(BACKENDS)] != backend:
                item.add_marker(pytest.mark.long)
    items.sort(key=lambda item: item.path.parent.name not in FIRST)


def _chooses(item: pytest.Item) -> bool:
    """Whether the test itself says on which databases it runs."""
    return any("backend" in marker.args[0] for marker in item.iter_markers("parametrize"))


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def _connections() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if "_connection_worker_thread" in thread.name}


@pytest.fixture(autouse=True)
def connections_are_closed() -> Generator[None]:
    """No connection to SQLite stays open after a test; each is a thread of its driver's."""
    before = _connections()
    yield
    for thread in _connections() - before:
        thread.join(5)
    assert _connections() <= before


@pytest.fixture
def backend() -> str:
    """The kind of database; folders whose tests run on each override it."""
    return "sqlite"


@pytest.fixture
async def database(backend: str, tmp_path: Path) -> AsyncGenerator[Database]:
    """A database of the test's own."""
    async with database_on(backend, tmp_path) as database:
        yield database


@pytest.fixture
async def gateway(tmp_path: Path, database: Database) -> AsyncGenerator[InProcess]:
    """A gateway over two simulated deployments, all on real sockets, with a real database."""
    async with running_gateway(tmp_path, database=database) as running:
        yield running


@pytest.fixture
async def held_gateway(tmp_path: Path, database: Database) -> AsyncGenerator[InProcess]:
    """The same, with batches that stay in progress until the simulator is told to let them go on."""
    settings = SimulatorSettings(validating_seconds=0, hold=frozenset({"in_progress"}))
    async with running_gateway(
        tmp_path, database=database, simulator=Simulator(settings=settings)
    ) as running:
        yield running
