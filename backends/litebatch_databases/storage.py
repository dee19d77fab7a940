"""The storage on a host's `databases.Database`."""

from __future__ import annotations

from databases import Database

from litebatch_asgi.errors import ConfigError
from litebatch_databases.lending import check_lending
from litebatch_databases.postgres import HostPool
from litebatch_databases.sqlite import HostSQLiteExecutor
from litebatch_postgres.executor import PostgresExecutor
from litebatch_sql import Executor, SQLStorage

_DIALECTS = {"sqlite": "sqlite", "postgresql": "postgres", "postgres": "postgres"}


class DatabasesStorage(SQLStorage):
    """A `Storage` in the database of a host that owns a `databases.Database`, SQLite or PostgreSQL.

    The host connects the database before LiteBatch's lifespan is entered, and disconnects it after that has
    ended; here it is never connected nor disconnected. Names of tables and indexes begin with `table_prefix`,
    so that they stand beside the host's own. Without one they go into a schema `litebatch` on PostgreSQL, and
    on SQLite a file with tables of the host is refused.

    Connections are lent by `databases`, and the statements of the native storages run on them. A transaction
    that the host has open is not joined, and neither takes the other back.

    On PostgreSQL each operation takes a connection of the host's pool while it lasts. It is waited for
    `acquire_seconds`, then `StorageUnavailable` is raised; how long the answer to a statement is waited for
    is the host's `command_timeout`.

    On SQLite four connections are kept while the storage is open. What the host has locked is waited for as
    long as its own `timeout` says (5 seconds without), then `StorageUnavailable` is raised: a task that has
    written in a transaction of its own must end it before it calls LiteBatch. The journal mode stays as it
    is; with `PRAGMA journal_mode = WAL`, which the file keeps, nobody who reads waits for one who writes.

    Raises `ConfigError` for other databases.
    """

    def __init__(
        self, database: Database, *, table_prefix: str = "litebatch_", acquire_seconds: float = 10.0
    ) -> None:
        self._database = database
        dialect = _dialect(database)
        executor: Executor
        if dialect == "sqlite":
            executor = HostSQLiteExecutor(database, table_prefix=table_prefix)
        else:
            executor = PostgresExecutor(
                HostPool(database),
                table_prefix=table_prefix,
                acquire_seconds=acquire_seconds,
                command_seconds=0,  # the host's pool has its own
            )
        super().__init__(executor, package=f"litebatch_{dialect}", table_prefix=table_prefix)

    async def _connect(self, *, create: bool = True) -> None:
        """Raises `ConfigError` if the host has not connected its database."""
        await check_lending(self._database)
        await super()._connect(create=create)


def _dialect(database: Database) -> str:
    scheme = database.url.scheme
    dialect = _DIALECTS.get(database.url.dialect)
    if dialect is None or scheme == "postgresql+aiopg":
        raise ConfigError(
            f"{scheme}: the `databases.Database` must be of SQLite, or of PostgreSQL by asyncpg"
        )
    return dialect
