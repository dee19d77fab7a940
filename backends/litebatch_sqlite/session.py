"""One connection to an SQLite file, used from one event loop."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

import aiosqlite
import anyio

from litebatch_asgi.errors import ConfigError, StorageUnavailable
from litebatch_sql import Parameters, Row
from litebatch_sql.threads import in_own_thread
from litebatch_sqlite.driver_errors import translated

_WAL_BYTES = 64 << 20
"""What the write-ahead log is cut back to after a transaction that was larger."""
_FINISH_SECONDS = 30.0
"""How long a cancelled caller is kept at most until its transaction is rolled back."""
_SETTINGS = (
    "PRAGMA foreign_keys = ON",
    "PRAGMA synchronous = FULL",
    f"PRAGMA journal_size_limit = {_WAL_BYTES}",
)


class Session:
    """A connection in autocommit mode: transactions begin and end by statements.

    Its thread takes calls in the order they were made, also those whose caller was cancelled.
    """

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection
        self._is_closed = False

    @classmethod
    async def connect(cls, path: Path, *, busy_timeout_seconds: float) -> Session:
        """Open the file, which is made if it is not there. Raises `ConfigError` if it cannot be."""
        # aiosqlite does not wait for its thread's end where connecting fails: hence a try beforehand
        await in_own_thread(_try_to_open, path)
        connection = aiosqlite.connect(path, timeout=busy_timeout_seconds, isolation_level=None)
        with anyio.CancelScope(shield=True):
            await connection
        return cls(connection)

    async def configure(self) -> None:
        """Set what SQLite forgets with each connection."""
        for setting in _SETTINGS:
            await self.fetch_all(setting, {})

    async def close(self) -> None:
        """Close the connection and end its thread, after the calls made so far."""
        if not self._is_closed:
            self._is_closed = True
            await self._connection.close()

    async def fetch_all(self, sql: str, parameters: Parameters) -> list[Row]:
        """See `Reader.fetch_all`."""
        with translated():
            return list(await self._open_connection().execute_fetchall(sql, parameters))

    async def fetch_one(self, sql: str, parameters: Parameters) -> Row | None:
        """See `Reader.fetch_one`."""
        rows = await self.fetch_all(sql, parameters)
        return rows[0] if rows else None

    async def execute(self, sql: str, parameters: Parameters) -> int:
        """See `Transaction.execute`."""
        with translated():
            cursor = await self._open_connection().execute(sql, parameters)
        return cursor.rowcount

    async def execute_many(self, sql: str, rows: Iterable[Parameters]) -> None:
        """See `Transaction.execute_many`; it is the connection's thread that iterates."""
        with translated():
            await self._open_connection().executemany(sql, rows)

    async def run_script(self, sql: str) -> None:
        """See `Transaction.run_script`."""
        try:
            for statement in _statements(sql):  # `executescript` would commit first
                await self.execute(statement, {})
        except sqlite3.OperationalError as error:
            raise ConfigError(
                f"the database cannot be set up ({error}): name one that is new, or LiteBatch's own"
            ) from error

    async def roll_back(self) -> None:
        """Roll back what is open, whoever is cancelled; nothing may be open.

        The call is on its way before anything is waited for, so that it comes before whatever is called next.
        """
        with anyio.move_on_after(_FINISH_SECONDS, shield=True), translated():
            await self._open_connection().rollback()

    def _open_connection(self) -> aiosqlite.Connection:
        if self._is_closed:
            raise StorageUnavailable("The connection to the database is closed.")
        return self._connection


def _try_to_open(path: Path) -> None:
    try:
        sqlite3.connect(path).close()
    except sqlite3.OperationalError as error:
        raise ConfigError(
            f"the database file {path} cannot be opened: its folder must be there and writable"
        ) from error


def _statements(script: str) -> Iterator[str]:
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
