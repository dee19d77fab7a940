"""PostgreSQL under the shared SQL storage: a pool of connections that keep no state of a session."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import lru_cache
from typing import Any, Protocol, TypeAlias, TypeVar

import anyio
import asyncpg

from litebatch_asgi.errors import StorageUnavailable
from litebatch_postgres.address import Address
from litebatch_postgres.driver_errors import ConnectionLost, ReadOnly, TimedOut, opening, translated
from litebatch_postgres.place import Place
from litebatch_postgres.receipts import Receipt, Receipts
from litebatch_postgres.schemas import find_namespace
from litebatch_postgres.session import Connection, Session
from litebatch_sql import Contention, Namespace, Parameters, Reader, Row, numbered

Pool: TypeAlias = "asyncpg.Pool[Any]"

logger: logging.Logger = logging.getLogger("litebatch_asgi.storage")

_IGNORED = "options of the database's URL that have no effect:"
_CLOSE_SECONDS = 10.0
"""How long closing waits for what is under way."""
_RELEASE_SECONDS = 10.0
_RESOLVE_SECONDS = 20.0
"""How long it is asked for what became of a COMMIT without an answer."""
_RESOLVE_AGAIN_SECONDS = 0.2
_LOCK_SECONDS = 20
_IDLE_SECONDS = 60

T = TypeVar("T")


class Lender(Protocol):
    """What lends connections: an `asyncpg.Pool`, or whatever stands before one."""

    def acquire(self) -> Awaitable[Connection]:
        """Take a connection; whoever is cancelled while waiting has taken none."""
        ...

    async def release(self, connection: Any, *, timeout: float) -> None:
        """Give a connection back that was taken here, within `timeout` seconds."""
        ...


class PostgresExecutor:
    """A database on a server.

    Reads are tried again once when the connection turns out to be dead, writes where nothing was written
    yet: after a restart of the server everything goes on by itself. So it does after a failover that leaves
    connections at what is a standby now: the first one that is asked to write ends all of them.
    """

    def __init__(
        self, source: Address | Lender, *, table_prefix: str, acquire_seconds: float, command_seconds: float
    ) -> None:
        self._source = source
        self._prefix = table_prefix
        told = source.acquire_seconds if isinstance(source, Address) else None
        self._acquire_seconds = acquire_seconds if told is None else told
        self._command_seconds = command_seconds
        self._pool: Lender | None = None
        self._own: Pool | None = None
        self._qualifier = ""
        self._receipts = self._new_receipts()
        self._number = lru_cache(maxsize=500)(numbered)

    async def open(self, *, create: bool = True) -> None:
        """See `Executor.open`. Raises `ConfigError` for what waiting would not mend."""
        if self._pool is not None:
            return
        self._receipts = self._new_receipts()
        with opening():
            if isinstance(self._source, Address):
                if self._source.ignored:
                    logger.warning("%s %s", _IGNORED, ", ".join(self._source.ignored))
                with translated():
                    self._pool = self._own = await self._connect(self._source)
            else:
                self._pool = self._source
            await self.fetch_one("SELECT 1", {})

    async def close(self) -> None:
        """See `Executor.close`: a pool that was handed in stays open."""
        self._pool = None
        own, self._own = self._own, None
        if own is None:
            return
        with anyio.CancelScope(shield=True):
            with anyio.move_on_after(_CLOSE_SECONDS), suppress(OSError, asyncpg.PostgresError):
                await own.close()
            own.terminate()

    async def place(self) -> Place:
        """See `Executor.place`."""
        return await Place.of(self)

    async def namespace(self, reader: Reader) -> Namespace:
        """See `Executor.namespace`."""
        wanted = self._source.schema if isinstance(self._source, Address) else None
        found = await find_namespace(reader, wanted=wanted, prefix=self._prefix)
        if found.qualifier != self._qualifier:
            self._qualifier = found.qualifier
            self._receipts = self._new_receipts()
        return found

    async def fetch_all(self, sql: str, parameters: Parameters) -> list[Row]:
        """See `Reader.fetch_all`."""
        return await self._read(lambda session: session.fetch_all(sql, parameters))

    async def fetch_one(self, sql: str, parameters: Parameters) -> Row | None:
        """See `Reader.fetch_one`."""
        return await self._read(lambda session: session.fetch_one(sql, parameters))

    @asynccontextmanager
    async def write(self) -> AsyncGenerator[Session]:
        """See `Executor.write`."""
        async with self._begun() as (session, receipt):
            try:
                yield session
            except BaseException as error:
                if await session.roll_back():
                    self._receipts.give_back(receipt)
                if isinstance(error, ReadOnly):
                    session.give_up()
                    await self._end_connections()
                raise
            unanswered = await _commit(session)
        if unanswered is not None and not (self._receipts.are_kept and await self._was_committed(receipt)):
            raise unanswered
        self._receipts.give_back(receipt)

    async def _read(self, read: Callable[[Session], Awaitable[T]]) -> T:
        try:
            return await self._read_once(read)
        except ConnectionLost:
            return await self._read_once(read)

    async def _read_once(self, read: Callable[[Session], Awaitable[T]]) -> T:
        pool, connection = await self._acquired()
        session = Session(connection, self._number)
        try:
            return await read(session)
        except ConnectionLost:
            session.give_up()
            raise
        finally:
            await _released(pool, connection)

    @asynccontextmanager
    async def _begun(self) -> AsyncGenerator[tuple[Session, Receipt]]:
        """A transaction that has begun, on a connection that is alive."""
        for is_last in (False, True):
            receipt = self._receipts.take()
            async with self._session() as session:
                try:
                    await session.begin(await self._receipts.beginning(session, receipt))
                except ConnectionLost as error:
                    session.give_up()
                    if is_last:
                        raise
                    if isinstance(error, ReadOnly):
                        await self._end_connections()
                except BaseException:
                    await session.roll_back()
                    raise
                else:
                    yield session, receipt
                    return

    async def _was_committed(self, receipt: Receipt) -> bool:
        """What became of a COMMIT without an answer. Raises `StorageUnavailable` if it cannot be told."""
        deadline = anyio.current_time() + _RESOLVE_SECONDS
        while True:
            try:
                async with self._session() as session:
                    return await self._receipts.has(session, receipt)
            except StorageUnavailable:
                if anyio.current_time() >= deadline:
                    raise
            await anyio.sleep(_RESOLVE_AGAIN_SECONDS)

    async def _end_connections(self) -> None:
        """Have our pool make new connections: those it has are as stale as the one that was found out."""
        if self._own is not None:
            await self._own.expire_connections()

    @asynccontextmanager
    async def _session(self) -> AsyncGenerator[Session]:
        """A connection of the pool. Raises `StorageUnavailable` if none comes free in time."""
        pool, connection = await self._acquired()
        try:
            yield Session(connection, self._number)
        finally:
            await _released(pool, connection)

    async def _acquired(self) -> tuple[Lender, Connection]:
        pool = self._pool
        if pool is None:
            raise StorageUnavailable("The storage is not open.")
        try:
            with translated():
                # a time-out of the driver's own would make a task of each call
                async with asyncio.timeout(self._acquire_seconds):
                    return pool, await pool.acquire()
        except TimedOut as error:
            raise StorageUnavailable("No connection to the database came free in time.") from error

    async def _connect(self, address: Address) -> Pool:
        return await asyncpg.create_pool(
            address.dsn,
            min_size=address.min_pool_size,
            max_size=address.max_pool_size,
            timeout=address.connect_seconds,
            command_timeout=address.command_seconds or self._command_seconds,
            reset=_leave,
            statement_cache_size=address.cached_statements,
        )

    def _new_receipts(self) -> Receipts:
        prefix = self._qualifier + self._prefix
        return Receipts(prefix, lock_seconds=_LOCK_SECONDS, idle_seconds=_IDLE_SECONDS)


async def _commit(session: Session) -> StorageUnavailable | None:
    """Commit; the error of a COMMIT that had no answer."""
    try:
        await session.commit()
    except Contention:
        raise
    except StorageUnavailable as error:
        session.give_up()
        return error
    return None


async def _released(pool: Lender, connection: Connection) -> None:
    # one that cannot be given back was broken by the pool; asyncpg's goes on with it where we are cancelled
    with suppress(StorageUnavailable), translated():
        if isinstance(pool, asyncpg.Pool):
            await pool.release(connection, timeout=_RELEASE_SECONDS)
            return
        with anyio.CancelScope(shield=True):
            await pool.release(connection, timeout=_RELEASE_SECONDS)


async def _leave(_: asyncpg.Connection[Any]) -> None:
    """What is done to a connection that comes back: nothing, for no session was given a state."""
