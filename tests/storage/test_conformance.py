"""Our own storages do what every storage has to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from litebatch_asgi.testing import MemoryStorage
from litebatch_asgi.testing.conformance import Capability, NewStorage, StorageConformance
from litebatch_sqlite import SQLiteStorage


class TestMemory(StorageConformance):
    @pytest.fixture
    def new_storage(self) -> NewStorage:
        return MemoryStorage


class TestSQLite(StorageConformance):
    capabilities = frozenset({Capability.PERSISTENT, Capability.SHARED})

    @pytest.fixture
    def new_storage(self, tmp_path: Path) -> NewStorage:
        return lambda: SQLiteStorage(f"sqlite:///{tmp_path}/litebatch.db")
