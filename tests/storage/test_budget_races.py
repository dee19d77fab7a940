"""A batch is charged while another one is created, between two statements: it counts once."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from litebatch_asgi.errors import BudgetExceeded
from litebatch_asgi.models import File, Limits
from litebatch_asgi.testing.conformance.base import stored_file
from litebatch_asgi.testing.conformance.budgets import budget, reserve, settle
from litebatch_postgres import PostgresStorage
from litebatch_postgres.address import parse
from litebatch_postgres.executor import PostgresExecutor
from litebatch_sql import SQLStorage
from litebatch_sql.executor import Parameters, Transaction
from litebatch_sql.rows import Row
from tests.postgres import database_url

Interruption = Callable[[], Awaitable[None]]


class Interrupted:
    """A transaction in which something else happens before one of its statements."""

    def __init__(self, transaction: Transaction, before: int, interruption: Interruption) -> None:
        self._transaction = transaction
        self._left = before
        self._interruption = interruption

    async def _begin(self) -> None:
        self._left -= 1
        if self._left < 0:
            interruption, self._interruption = self._interruption, _nothing
            await interruption()

    async def fetch_one(self, sql: str, parameters: Parameters) -> Row | None:
        await self._begin()
        return await self._transaction.fetch_one(sql, parameters)

    async def fetch_all(self, sql: str, parameters: Parameters) -> Sequence[Row]:
        await self._begin()
        return await self._transaction.fetch_all(sql, parameters)

    async def execute(self, sql: str, parameters: Parameters) -> int:
        await self._begin()
        return await self._transaction.execute(sql, parameters)

    async def execute_many(self, sql: str, rows: Iterable[Parameters]) -> None:
        await self._begin()
        await self._transaction.execute_many(sql, rows)

    async def run_script(self, sql: str) -> None:
        await self._transaction.run_script(sql)


async def _nothing() -> None:
    """Nothing happens."""


class InterruptedExecutor(PostgresExecutor):
    """A database where something happens before a statement of each transaction."""

    before = 0
    interruption: Interruption = staticmethod(_nothing)

    @asynccontextmanager
    async def write(self) -> AsyncGenerator[Any]:
        async with super().write() as transaction:
            yield Interrupted(transaction, self.before, self.interruption)


async def charged_meanwhile(url: str, limits: Limits, statement: int, file: File) -> bool:
    """Whether one batch is charged before that statement of the create of another, which fits or not."""
    address = parse(url, min_pool_size=0, max_pool_size=1, behind_pgbouncer=False)
    executor = InterruptedExecutor(address, table_prefix="", acquire_seconds=5, command_seconds=5)
    storage, other = SQLStorage(executor, "litebatch_postgres"), PostgresStorage(url)
    happened = False
    try:
        await storage.open()
        await other.open()
        batch = await reserve(other, limits, cost="6", file=file)

        async def interruption() -> None:
            nonlocal happened
            happened = True
            await settle(other, batch, "6")

        executor.before, executor.interruption = statement, interruption
        await reserve(storage, limits, cost="5", file=file)
    finally:
        await storage.close()
        await other.close()
    return happened


@pytest.mark.parametrize("statement", range(2, 6))
async def test_what_is_charged_meanwhile_counts_once(statement: int) -> None:
    """Before the scope is locked, before it is looked at, and after."""
    async with database_url() as url:
        storage = PostgresStorage(url)
        await storage.open()
        file = await stored_file(storage)
        assert await charged_meanwhile(url, budget("11", "team:a"), statement, file)
        with pytest.raises(BudgetExceeded):
            await charged_meanwhile(url, budget("10.99", "team:b"), statement, file)
        await storage.close()
