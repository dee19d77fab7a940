"""One connection to PostgreSQL, while somebody has it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, TypeAlias

import anyio
import asyncpg

from litebatch_asgi.errors import ConfigError, StorageUnavailable
from litebatch_postgres.driver_errors import beginning, set_up_refused, translated
from litebatch_sql import Numbered, Parameters, Row
from litebatch_sql.threads import in_own_thread

Connection: TypeAlias = "asyncpg.pool.PoolConnectionProxy[Any]"

_FEW_ROWS = 50
"""Arguments of so many are made in less time than a thread is."""
_FINISH_SECONDS = 5.0
"""How long a cancelled caller is kept at most until its transaction is rolled back."""


class Session:
    """Runs statements on a connection. `number` gives a statement with numbered parameters."""

    def __init__(self, connection: Connection, number: Callable[[str], Numbered]) -> None:
        self._connection = connection
        self._number = number

    async def fetch_all(self, sql: str, parameters: Parameters) -> list[Row]:
        """See `Reader.fetch_all`."""
        statement = self._number(sql)
        with translated():
            return await self._connection.fetch(statement.sql, *statement.arguments(parameters))

    async def fetch_one(self, sql: str, parameters: Parameters) -> Row | None:
        """See `Reader.fetch_one`."""
        statement = self._number(sql)
        with translated():
            return await self._connection.fetchrow(statement.sql, *statement.arguments(parameters))

    async def execute(self, sql: str, parameters: Parameters) -> int:
        """See `Transaction.execute`."""
        statement = self._number(sql)
        with translated():
            done = await self._connection.execute(statement.sql, *statement.arguments(parameters))
        count = done.rpartition(" ")[2]
        return int(count) if count.isdecimal() else 0

    async def execute_many(self, sql: str, rows: Iterable[Parameters]) -> None:
        """See `Transaction.execute_many`: unless there are few rows it is a thread that iterates."""
        statement = self._number(sql)

        def iterate() -> list[list[Any]]:
            return [statement.arguments(row) for row in rows]

        is_short = isinstance(rows, Sequence) and len(rows) <= _FEW_ROWS
        arguments = iterate() if is_short else await in_own_thread(iterate)
        with translated():
            await self._connection.executemany(statement.sql, arguments)

    async def run_script(self, sql: str) -> None:
        """See `Transaction.run_script`."""
        with translated():
            try:
                await self._connection.execute(sql, timeout=None)
            except asyncpg.PostgresError as error:
                told = set_up_refused(error)
                if told is None:
                    raise
                raise ConfigError(told) from error

    async def begin(self, sql: str) -> None:
        """Run the statements that begin a transaction, in one round trip."""
        with beginning():
            await self._connection.execute(sql)

    async def commit(self) -> None:
        """End the transaction; `ConnectionLost` leaves open whether it was committed."""
        with translated():
            done = await self._connection.execute("COMMIT")
        if done != "COMMIT":
            raise AssertionError("a statement failed and the transaction went on all the same")

    async def roll_back(self) -> bool:
        """Roll back, whoever is cancelled; whether that was done. If not, the connection is given up."""
        is_done = False
        with anyio.move_on_after(_FINISH_SECONDS, shield=True):
            with suppress(StorageUnavailable), translated():
                await self._connection.execute("ROLLBACK")
                is_done = True
        if not is_done:
            self.give_up()  # and the database rolls back by itself
        return is_done

    def give_up(self) -> None:
        """Break the connection; the pool will make another."""
        with suppress(asyncpg.InterfaceError):  # the pool has noticed by itself
            self._connection.terminate()
