"""Our own content stores do what every one has to do."""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from litebatch_asgi.contents import ContentStore
from litebatch_asgi.storage import Storage
from litebatch_asgi.stores import DatabaseContentStore
from litebatch_asgi.testing import MemoryStorage, a_content
from litebatch_asgi.testing.conformance import ContentStoreConformance
from litebatch_asgi.testing.conformance.content_stores import NewKey
from litebatch_objects import FolderStore
from litebatch_postgres import PostgresStorage
from litebatch_sqlite import SQLiteStorage
from tests.database import SQLiteDatabase
from tests.postgres import database_url
from tests.stores import buckets


class InDatabase(ContentStoreConformance):
    """A subclass defines the fixture `storage`, open."""

    @pytest.fixture
    def store(self, storage: Storage) -> ContentStore:
        return DatabaseContentStore(storage.contents)

    @pytest.fixture
    def new_key(self, storage: Storage) -> NewKey:
        async def new_key() -> str:
            return (await storage.contents.begin(a_content(), lease_seconds=60)).key

        return new_key


class TestMemory(InDatabase):
    @pytest.fixture
    async def storage(self) -> AsyncGenerator[Storage]:
        storage = MemoryStorage()
        await storage.open()
        yield storage
        await storage.close()


class TestSQLite(InDatabase):
    @pytest.fixture
    async def storage(self, tmp_path: Path) -> AsyncGenerator[Storage]:
        storage = SQLiteStorage(SQLiteDatabase.migrated(tmp_path).url)
        await storage.open()
        yield storage
        await storage.close()


class TestPostgres(InDatabase):
    @pytest.fixture
    async def storage(self) -> AsyncGenerator[Storage]:
        async with database_url() as url:
            storage = PostgresStorage(url, max_pool_size=5)
            await storage.open()
            yield storage
            await storage.close()


class TestFolder(ContentStoreConformance):
    @pytest.fixture
    async def store(self, tmp_path: Path) -> AsyncGenerator[ContentStore]:
        store = FolderStore(tmp_path.as_uri())
        await store.open()
        yield store
        await store.aclose()


class TestS3(ContentStoreConformance):
    @pytest.fixture
    def store(self, bucket_server: buckets.Server) -> ContentStore:
        return buckets.s3_store(bucket_server.address, secrets.token_hex(4))


class TestGoogle(ContentStoreConformance):
    @pytest.fixture
    def store(self, bucket_server: buckets.Server, tmp_path: Path) -> ContentStore:
        return buckets.gcs_store(bucket_server.address, secrets.token_hex(4), tmp_path)
