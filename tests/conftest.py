"""Fixtures that all tests share."""

from __future__ import annotations

import gc
import threading
import zlib
from collections import defaultdict
from collections.abc import AsyncGenerator, Generator, Iterable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from litebatch_asgi.simulator import Simulator, SimulatorSettings
from tests.database import BACKENDS, Database, database_on
from tests.harness import InProcess, running_gateway
from tests.postgres import drop_emptied

# Generated examples share the machine with other tests: how long one takes says nothing.
settings.register_profile("long", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("quick", settings.get_profile("long"), max_examples=40)

ON_EITHER = frozenset(
    {
        "access",
        "adoption",
        "costs",
        "delivering",
        "faults",
        "journey",
        "keys",
        "limits",
        "live",
        "replicas",
        "rescue",
        "retries",
        "survival",
        "translated",
        "uploads",
    }
)
"""folders whose tests run on one database, and on the other one in the long run"""
_DATABASES = ("backend", "shared")
"""fixtures whose parameter is the kind of database"""
FIRST = frozenset({"badinput", "examples", "readme", "replicas", "survival"})
"""folders with tests so long that nothing shall be left to wait for at the end but short ones"""

THINNED = frozenset(
    {
        *(
            "badinput",
            "cli",
            "client",
            "configs",
            "costs",
            "dialects",
            "host",
            "http",
            "journey",
            "keys",
            "middleware",
        ),
        *("named", "page", "providers", "rescue", "retries", "sdk", "server", "simulator"),
        *("spend", "storage", "stores", "uploads", "webhooks"),
    }
)
"""folders of whose tests with many cases the quick run takes every third case"""
MANY = 4
EVERY = {
    "::TestDatabasesOnSQLite::": 8,
    "::TestPostgresPooled::": 4,
    "::TestAzureAdapterOnV1Paths::": 4,
    "::TestGroqAdapter::": 4,
    "::TestPostgres::": 3,
    "tests/storage/test_databases": 4,
    "tests/storage/test_installations.py": 2,
    "tests/storage/test_schemas.py": 3,
    "tests/storage/test_sqlite_faults.py": 2,
    "tests/storage/test_sqlite_processes.py": 2,
    "tests/storage/test_postgres_processes.py": 2,
    "tests/storage/test_upgrades.py": 3,
    "tests/survival/test_named_failures.py": 4,
    "tests/badinput/": 2,
    "tests/cli/": 2,
    "tests/costs/": 3,
    "tests/delivering/": 3,
    "tests/faults/": 3,
    "tests/host/": 2,
    "tests/journey/": 3,
    "tests/keys/": 3,
    "tests/limits/": 3,
    "tests/live/": 4,
    "tests/metrics/": 2,
    "tests/middleware/": 2,
    "tests/named/": 2,
    "tests/page/": 2,
    "tests/providers/": 2,
    "tests/replicas/": 2,
    "tests/rescue/": 4,
    "tests/retries/": 3,
    "tests/simulator/": 2,
    "tests/stores/": 2,
    "tests/translated/": 3,
    "tests/uploads/": 3,
    "tests/webhooks/": 2,
}
"""tests of which the quick run takes every so-manieth: costly ones, which share most of what they do"""
ALL_LONG = ("test_matrix.py",)
"""modules that need not even be read for a quick run"""


def pytest_configure(config: pytest.Config) -> None:
    """Try fewer examples in a quick run, where a test does not say how many."""
    settings.load_profile("quick" if config.getoption("markexpr") == "not long" else "long")


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
    """Leave to the long run what would say the same once more."""
    _take_one_database(items)
    _take_every(items)
    _thin_out(items)
    items.sort(key=lambda item: item.path.parent.name not in FIRST)


def _take_one_database(items: Iterable[pytest.Item]) -> None:
    """Of two databases, not the same one for all tests."""
    for item in items:
        callspec = getattr(item, "callspec", None)
        if item.path.parent.name not in ON_EITHER or callspec is None or _chooses(item):
            continue
        for backend in (callspec.params[name] for name in _DATABASES if name in callspec.params):
            same_on_all = item.nodeid.replace(backend, "").encode()
            if BACKENDS[zlib.crc32(same_on_all) % len(BACKENDS)] != backend:
                item.add_marker(pytest.mark.long)


def _take_every(items: Iterable[pytest.Item]) -> None:
    for item in items:
        for part, every in EVERY.items():
            if part in item.nodeid and zlib.crc32(item.nodeid.encode()) % every:
                item.add_marker(pytest.mark.long)


def _thin_out(items: Iterable[pytest.Item]) -> None:
    """The first of many cases is always among those that are taken."""
    cases = defaultdict[str, list[pytest.Item]](list)
    for item in items:
        if item.path.parent.name in THINNED and item.get_closest_marker("long") is None:
            cases[item.nodeid.partition("[")[0]].append(item)
    for many in cases.values():
        if len(many) >= MANY:
            for number, item in enumerate(many):
                if number % 3:
                    item.add_marker(pytest.mark.long)


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


@pytest.fixture(scope="session", autouse=True)
def databases_are_dropped() -> Generator[None]:
    """No database is left on a server that outlives the tests."""
    yield
    drop_emptied()


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
