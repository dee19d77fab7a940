"""The PostgreSQL storage."""

from __future__ import annotations

from typing import Any

import asyncpg

from litebatch_postgres.address import parse
from litebatch_postgres.executor import PostgresExecutor
from litebatch_sql import SQLStorage


class PostgresStorage(SQLStorage):
    """A `Storage` in a PostgreSQL database, for any number of processes.

    `database` is a URL, `postgresql://user:password@host/database`, with what `litebatch_postgres.address`
    understands behind the question mark (`sslmode=require`, `schema=litebatch`), or an open `asyncpg.Pool` of
    the host's, which is never closed. `table_prefix` stands before all names of tables and indexes; without
    one, and where somebody else has tables already, ours go into a schema `litebatch`.

    For a URL, `min_pool_size` and `max_pool_size` are how many connections are kept; both may stand in the
    URL as well, as may `pgbouncer=true` for `behind_pgbouncer`.

    A connection is waited for `acquire_seconds`, the answer to a statement `command_seconds`; then
    `StorageUnavailable` is raised. Raises `ConfigError`, which quotes nothing of the URL.

    Behind pgbouncer in transaction mode: no state of a session is ever used (no `SET`, `LISTEN`, advisory
    lock, temporary table or cursor outlives a transaction), and with `behind_pgbouncer` no prepared statement
    has a name or outlives the round trip that runs it. A pool that was handed in is used as it is: its
    `statement_cache_size` and `command_timeout` are the host's to set.
    """

    def __init__(
        self,
        database: str | asyncpg.Pool[Any],
        *,
        table_prefix: str = "",
        min_pool_size: int = 0,
        max_pool_size: int = 10,
        behind_pgbouncer: bool = False,
        acquire_seconds: float = 10.0,
        command_seconds: float = 30.0,
    ) -> None:
        source = (
            parse(
                database,
                min_pool_size=min_pool_size,
                max_pool_size=max_pool_size,
                behind_pgbouncer=behind_pgbouncer,
            )
            if isinstance(database, str)
            else database
        )
        executor = PostgresExecutor(
            source,
            table_prefix=table_prefix,
            acquire_seconds=acquire_seconds,
            command_seconds=command_seconds,
        )
        super().__init__(executor, package="litebatch_postgres", table_prefix=table_prefix)
