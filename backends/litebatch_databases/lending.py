"""Connections of the host's database that are nobody else's.

`Database.connection()` gives a task the one connection that it has already: a transaction that the host has
open there would take ours in as a savepoint, and its rollback with it. `databases` keeps its books by task:
a connection asked for in a task of its own is a new one, and one given back in another task of its own
leaves the books of the caller's task alone.
"""

from __future__ import annotations

import asyncio

import anyio
from databases import Database
from databases.core import Connection

from litebatch_asgi.errors import ConfigError

_FINISH_SECONDS = 10.0
"""How long a cancelled caller is kept at most until its connection is given back."""


async def check_lending(database: Database) -> None:
    """Raises `ConfigError` if the database is not connected, or has one connection for everybody."""
    if not database.is_connected:
        raise ConfigError(
            "the `databases.Database` is not connected: `await database.connect()` before LiteBatch's"
            " lifespan is entered, and disconnect it after that has ended"
        )
    first, second = [await asyncio.create_task(_find(database)) for _ in range(2)]
    if first is second:
        raise ConfigError(
            "the `databases.Database` was made with force_rollback=True and keeps nothing:"
            " hand LiteBatch one without, or another storage"
        )


async def lend(database: Database) -> Connection:
    """Take a connection. Raises what the driver raises."""
    taking = asyncio.create_task(_take(database))
    try:
        return await taking
    except asyncio.CancelledError:
        if not taking.cancelled() and taking.exception() is None:  # it was there already
            await give_back(taking.result())
        raise


async def give_back(connection: Connection, *, within_seconds: float = _FINISH_SECONDS) -> None:
    """Give a connection back that `lend` took, whoever is cancelled. Raises what the driver raises."""
    with anyio.move_on_after(within_seconds, shield=True):
        await asyncio.create_task(connection.__aexit__())


async def _find(database: Database) -> Connection:
    return database.connection()


async def _take(database: Database) -> Connection:
    return await database.connection().__aenter__()
