"""SQLite under the shared SQL storage: one connection that writes, one that reads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

from litebatch_asgi.errors import ConfigError, StorageUnavailable
from litebatch_sql import Parameters, Row
from litebatch_sqlite.session import Session

_CLOSE_SECONDS = 30.0
"""How long closing waits for the transaction under way."""
_SWITCH_SECONDS = 0.02
"""How long until another attempt to switch on the write-ahead log."""


class SQLiteExecutor:
    """A database file.

    Writing transactions take turns: within the process by a lock, between processes by SQLite's own, which
    is waited for `busy_timeout_seconds`. Readers wait for nobody (write-ahead log). Two connections, because
    another task on the same one would read what is not committed, and lose its own writes to a rollback.
    """

    def __init__(self, path: Path, *, busy_timeout_seconds: float) -> None:
        self._path = path
        self._busy_timeout_seconds = busy_timeout_seconds
        self._writer: Session | None = None
        self._reader: Session | None = None
        self._turn = asyncio.Lock()

    async def open(self) -> None:
        """See `Executor.open`. Raises `ConfigError` if the file cannot be a database."""
        if self._writer is not None:
            return
        self._turn = asyncio.Lock()  # of the event loop of this time
        self._writer = await self._connect()
        await self._keep_log(self._writer)
        await self._writer.configure()
        self._reader = await self._connect()
        await self._reader.configure()
        await self._reader.fetch_all("PRAGMA query_only = ON", {})

    async def close(self) -> None:
        """See `Executor.close`."""
        sessions = (self._reader, self._writer)
        self._reader = self._writer = None  # from here on nothing begins
        with anyio.CancelScope(shield=True):
            with anyio.move_on_after(_CLOSE_SECONDS):
                async with self._turn:
                    pass
            for session in sessions:
                if session is not None:
                    await session.close()

    async def fetch_all(self, sql: str, parameters: Parameters) -> list[Row]:
        """See `Reader.fetch_all`."""
        return await self._opened(self._reader).fetch_all(sql, parameters)

    async def fetch_one(self, sql: str, parameters: Parameters) -> Row | None:
        """See `Reader.fetch_one`."""
        return await self._opened(self._reader).fetch_one(sql, parameters)

    @asynccontextmanager
    async def write(self) -> AsyncGenerator[Session]:
        """See `Executor.write`."""
        async with self._turn:
            session = self._opened(self._writer)
            try:
                await session.execute("BEGIN IMMEDIATE", {})
                yield session
                await session.execute("COMMIT", {})
            except BaseException:
                await session.roll_back()
                raise

    async def _connect(self) -> Session:
        return await Session.connect(self._path, busy_timeout_seconds=self._busy_timeout_seconds)

    async def _keep_log(self, session: Session) -> None:
        """Switch the file to write-ahead logging; it stays so."""
        deadline = anyio.current_time() + self._busy_timeout_seconds
        while True:
            try:
                mode = await session.fetch_one("PRAGMA journal_mode = WAL", {})
            except StorageUnavailable:  # SQLite itself does not wait for a process that does the same
                if anyio.current_time() > deadline:
                    raise
                await anyio.sleep(_SWITCH_SECONDS)
            else:
                break
        if mode != ("wal",):
            raise ConfigError(f"{self._path}: a write-ahead log cannot be kept there, use a local disk")

    def _opened(self, session: Session | None) -> Session:
        if session is None:
            raise StorageUnavailable("The storage is not open.")
        return session
