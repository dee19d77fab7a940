"""Many files, written by SQL in a few statements."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from benchmarks._bulk import PADDED, copies, fill_postgres, fill_sqlite
from benchmarks._content import VIRTUAL_MODEL
from benchmarks._seed import OWNER
from litebatch_asgi.storage import Storage
from litebatch_asgi.testing import a_file
from litebatch_sql.tables import FILES
from tests.postgres import Server

RARE = 200
"""How many files, the oldest, are of `OTHER_MODEL` and `OTHER_PURPOSE`: lists of them end at the far side."""
OTHER_MODEL, OTHER_PURPOSE = "rarely-used", "user_data"
_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


async def _statements(storage: Storage, dialect: str, count: int) -> list[str]:
    """Write one file; the statements that make so many more of it, a second apart."""
    await storage.open()
    first = a_file(owner=OWNER, models=(VIRTUAL_MODEL,), created_at=_BEGIN, accepted_at=_BEGIN)
    await storage.create_file(first, [])
    await storage.close()
    own = {
        "id": f"'file-lb' || {PADDED[dialect]}",
        "created_at": "created_at + CAST(n AS bigint) * 1000000",
        "purpose": f"CASE WHEN n <= {RARE} THEN '{OTHER_PURPOSE}' ELSE purpose END",
    }
    rare = f"CASE WHEN purpose = '{OTHER_PURPOSE}' THEN '{OTHER_MODEL}' ELSE '{VIRTUAL_MODEL}' END"
    return [
        copies(FILES, dialect, count, **own),
        "DELETE FROM file_models",
        "INSERT INTO file_models (file_id, model, owner, purpose, created_at)"
        f" SELECT id, {rare}, owner, purpose, created_at FROM files",
    ]


async def seed_sqlite(path: Path, count: int) -> str:
    """A database with so many files, and its URL."""
    return await fill_sqlite(path, partial(_statements, count=count))


async def seed_postgres(server: Server, count: int) -> str:
    """The same in a PostgreSQL database."""
    return await fill_postgres(server, f"files_{count}", partial(_statements, count=count))
