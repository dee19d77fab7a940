"""Writing databases for later tests: what goes wrong there is told, and keeps no process alive."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest

from litebatch_sqlite import SQLiteStorage
from tests.storage import filled


async def test_a_table_that_is_missing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = set(threading.enumerate())
    opened = SQLiteStorage.open

    async def open_without_a_table(self: SQLiteStorage) -> object:
        installation = await opened(self)
        async with self._executor.write() as transaction:
            await transaction.execute("DROP TABLE teams", {})
        return installation

    monkeypatch.setattr(SQLiteStorage, "open", open_without_a_table)
    with pytest.raises(sqlite3.OperationalError, match="no such table: teams"):
        await filled.sqlite_dump(tmp_path)
    left = [thread for thread in threading.enumerate() if not thread.daemon and thread not in before]
    for thread in left:
        thread.join(10)
    assert [thread for thread in left if thread.is_alive()] == []
