"""A gateway's database, for the commands that work on one."""

from __future__ import annotations

import asyncio
from pathlib import Path

from litebatch_sqlite import SQLiteStorage


def make_database(path: Path) -> Path:
    """A database as a gateway leaves it that has served nobody."""

    async def make() -> None:
        storage = SQLiteStorage(path)
        await storage.open()
        await storage.close()

    asyncio.run(make())
    return path
