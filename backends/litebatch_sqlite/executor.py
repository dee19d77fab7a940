"""SQLite under the shared SQL storage: one connection that writes, a few that read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import anyio

from litebatch_asgi.errors import ConfigError, StorageUnavailable
from litebatch_sql import Namespace, Parameters, Reader, Row
from litebatch_sql.threads import in_own_thread
from litebatch_sqlite.place import Place
from litebatch_sqlite.session import Session

READERS = 3
"""How many connections read: one that reads much shall not hold up the others."""
_CLOSE_SECONDS = 30.0
"""How long closing waits for the transaction under way."""
_SWITCH_SECONDS = 0.02
"""How long until another attempt to switch on the write-ahead log."""
_SOMEBODY_ELSES = """
SELECT name FROM sqlite_master
WHERE type IN ('table', 'view') AND name NOT GLOB 'sqlite_*' AND NOT EXISTS (
    SELECT 1 FROM pragma_table_info('installation') AS columns WHERE columns.name = 'schema_version'
)
ORDER BY name LIMIT 1
"""


class SQLiteExecutor:
    """A database file.

    Writing transactions take turns: within the process by a lock, between processes by SQLite's own, which
    is waited for `busy_timeout_seconds`. Readers wait for nobody (write-ahead log). They have connections of
    their own: on the writer's, another task would read what is not committed, and lose its writes to a
    rollback.
    """

    def __init__(self, path: Path, *, busy_timeout_seconds: float, table_prefix: str = "") -> None:
        self._path = path
        self._prefix = table_prefix
        self._busy_timeout_seconds = busy_timeout_seconds
        self._writer: Session | None = None
        self._readers: dict[Session, int] = {}
        """with how many calls each has to do; the one that was used least lately comes first"""
        self._turn = asyncio.Lock()

    async def open(self, *, create: bool = True) -> None:
        """See `Executor.open`.

        Raises `ConfigError` if the file cannot be a database, or is somebody else's; it is left as it is.
        """
        if self._writer is not None:
            return
        if not create and not await in_own_thread(self._path.is_file):
            raise ConfigError(
                f"there is no database file {self._path.name} in {self._path.absolute().parent}: name the"
                " gateway's (`litebatch serve` makes it when it first starts)"
            )
        self._turn = asyncio.Lock()  # of the event loop of this time
        self._writer = await self._connect()
        if not self._prefix:
            await self._check_owner(self._writer)
        await self._keep_log(self._writer)
        await self._writer.configure()
        for _ in range(READERS):
            reader = await self._connect()
            self._readers[reader] = 0
            await reader.configure()
            await reader.fetch_all("PRAGMA query_only = ON", {})

    async def close(self) -> None:
        """See `Executor.close`."""
        sessions = (*self._readers, self._writer)
        self._readers, self._writer = {}, None  # from here on nothing begins
        with anyio.CancelScope(shield=True):
            with anyio.move_on_after(_CLOSE_SECONDS):
                async with self._turn:
                    pass
            for session in sessions:
                if session is not None:
                    await session.close()

    async def place(self) -> Place:
        """See `Executor.place`."""
        try:
            return await in_own_thread(Place.of, self._path)
        except OSError as error:
            raise StorageUnavailable(f"The database file {self._path} is gone.") from error

    async def namespace(self, reader: Reader) -> Namespace:
        """See `Executor.namespace`: a file has one."""
        return Namespace()

    async def _check_owner(self, session: Session) -> None:
        """Raises `ConfigError` if there are tables, and none of ours."""
        other = await session.fetch_one(_SOMEBODY_ELSES, {})
        if other is not None:
            raise ConfigError(
                f"{self._path} holds tables of somebody else, such as {other[0]}, and none of LiteBatch's:"
                " name another file, such as sqlite:///litebatch.db, or in Python a table_prefix"
            )

    async def fetch_all(self, sql: str, parameters: Parameters) -> list[Row]:
        """See `Reader.fetch_all`."""
        with self._reader() as reader:
            return await reader.fetch_all(sql, parameters)

    async def fetch_one(self, sql: str, parameters: Parameters) -> Row | None:
        """See `Reader.fetch_one`."""
        with self._reader() as reader:
            return await reader.fetch_one(sql, parameters)

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

    @contextmanager
    def _reader(self) -> Generator[Session]:
        """The reader with the least to do; of several the one that rested longest.

        One whose caller was cancelled may still be at work.
        """
        readers = self._readers
        reader = self._opened(min(readers, key=readers.__getitem__, default=None))
        readers[reader] = readers.pop(reader) + 1
        try:
            yield reader
        finally:
            readers[reader] -= 1

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
