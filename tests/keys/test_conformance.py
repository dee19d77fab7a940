"""Our own storages keep keys as every storage has to."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from databases import Database

from litebatch_asgi.testing import MemoryStorage
from litebatch_asgi.testing.conformance import Capability, KeyStoreConformance, NewStorage
from litebatch_databases import DatabasesStorage
from litebatch_postgres import PostgresStorage
from litebatch_sqlite import SQLiteStorage
from tests.database import SQLiteDatabase
from tests.postgres import database_url

LASTING = frozenset({Capability.PERSISTENT, Capability.SHARED})


class TestMemory(KeyStoreConformance):
    @pytest.fixture
    def new_storage(self) -> NewStorage:
        return MemoryStorage


class TestSQLite(KeyStoreConformance):
    capabilities = LASTING

    @pytest.fixture
    def new_storage(self, tmp_path: Path) -> NewStorage:
        database = SQLiteDatabase.migrated(tmp_path)
        return lambda: SQLiteStorage(database.url)


class TestPostgres(KeyStoreConformance):
    capabilities = LASTING

    @pytest.fixture
    async def new_storage(self) -> AsyncGenerator[NewStorage]:
        async with database_url() as url:
            yield lambda: PostgresStorage(url, max_pool_size=2)


class TestDatabases(KeyStoreConformance):
    @pytest.fixture
    async def new_storage(self, tmp_path: Path) -> AsyncGenerator[NewStorage]:
        async with Database(f"sqlite+aiosqlite:///{tmp_path}/host.db") as database:
            yield lambda: DatabasesStorage(database)
