"""The host's SQLite database under the shared SQL storage."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import anyio
from databases import Database
from databases.core import Connection

from litebatch_asgi.errors import ConfigError
from litebatch_databases.lending import give_back, lend
from litebatch_sqlite.executor import SQLiteExecutor
from litebatch_sqlite.session import Session

_DEFAULT_TIMEOUT_SECONDS = 5.0
"""sqlite3's own."""


class HostSQLiteExecutor(SQLiteExecutor):
    """An `Executor` on a few connections that it keeps from `open` to `close`.

    `databases` has no pool for SQLite: it opens the file for each use, and what a PRAGMA sets is gone with
    the next one. On connections that are kept the settings stay, transactions begin with BEGIN IMMEDIATE,
    and a read costs a tenth.
    """

    def __init__(self, database: Database, *, table_prefix: str) -> None:
        timeout: float = database.options.get("timeout", _DEFAULT_TIMEOUT_SECONDS)
        super().__init__(Path(database.url.database), busy_timeout_seconds=timeout, table_prefix=table_prefix)
        self._database = database

    async def open(self, *, create: bool = True) -> None:
        """See `Executor.open`. Raises `ConfigError` if the host's database is in no file."""
        await super().open(create=create)
        main, *_ = await self.fetch_all("PRAGMA database_list", {})
        if main[2] == "":
            raise ConfigError("the `databases.Database` is in memory: LiteBatch needs one in a file")

    async def _connect(self) -> Session:
        lending = asyncio.create_task(lend(self._database))
        try:
            with anyio.CancelScope(shield=True):  # a connection is opened or not, never half
                await asyncio.wait([lending])
        except asyncio.CancelledError:  # by way of asyncio, for which there are no shields
            if not lending.cancel() and lending.exception() is None:  # it was lent already
                await give_back(lending.result())
            raise
        try:
            return _LentSession(lending.result())
        except sqlite3.OperationalError as error:
            raise ConfigError(
                f"the database file {self._path} cannot be opened: its folder must be there and writable"
            ) from error

    async def _keep_log(self, session: Session) -> None:
        """Leave the journal mode alone: it is the host's, and the file would keep it."""


class _LentSession(Session):
    def __init__(self, connection: Connection) -> None:
        super().__init__(connection.raw_connection)
        self._lent = connection

    async def configure(self) -> None:
        """Set what SQLite forgets with each connection."""
        await super().configure()
        # without a write-ahead log, FULL may lose the last commit to a power cut
        await self.fetch_all("PRAGMA synchronous = EXTRA", {})

    async def close(self) -> None:
        """Give the connection back; `databases` closes it, after the calls made so far."""
        if not self._is_closed:
            self._is_closed = True
            await give_back(self._lent)
