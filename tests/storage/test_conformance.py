"""Our own storages do what every storage has to do."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from litebatch_asgi.testing import MemoryStorage
from litebatch_asgi.testing.conformance import Capability, NewStorage, StorageConformance
from litebatch_asgi.testing.conformance.batch_changes import BatchChangeTests
from litebatch_asgi.testing.conformance.leases import LeaseTests
from litebatch_asgi.testing.conformance.races import RaceTests
from litebatch_postgres import PostgresStorage
from litebatch_sqlite import SQLiteStorage
from tests.database import SQLiteDatabase
from tests.postgres import database_url, needs_socket
from tests.storage.proxies import Pooler, in_front, socket_of


class TestMemory(StorageConformance):
    @pytest.fixture
    def new_storage(self) -> NewStorage:
        return MemoryStorage


class TestPostgres(StorageConformance):
    capabilities = frozenset({Capability.PERSISTENT, Capability.SHARED})

    @pytest.fixture
    async def new_storage(self) -> AsyncGenerator[NewStorage]:
        async with database_url() as url:
            yield lambda: PostgresStorage(url, max_pool_size=5)


@needs_socket
class TestPostgresPooled(LeaseTests, BatchChangeTests, RaceTests):
    """Another session for each transaction, as behind pgbouncer in transaction mode."""

    capabilities = frozenset({Capability.PERSISTENT, Capability.SHARED})

    @pytest.fixture
    async def new_storage(self) -> AsyncGenerator[NewStorage]:
        async with database_url() as url, in_front(Pooler(socket_of(url)), url) as pooled:
            yield lambda: PostgresStorage(pooled, max_pool_size=3, behind_pgbouncer=True)


class TestSQLite(StorageConformance):
    capabilities = frozenset({Capability.PERSISTENT, Capability.SHARED})

    @pytest.fixture
    def new_storage(self, tmp_path: Path) -> NewStorage:
        database = SQLiteDatabase.migrated(tmp_path)
        return lambda: SQLiteStorage(database.url)
