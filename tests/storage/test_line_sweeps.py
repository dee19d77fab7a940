"""What sweeps of live jobs leave alone in each transaction, and what they remove beside results."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from litebatch_asgi.app import open_storage
from litebatch_asgi.models import FileKind, JobState, LineResult, RangeWrite
from litebatch_asgi.storage import Storage
from litebatch_asgi.testing.conformance.line_sweeps import change_to
from litebatch_asgi.testing.conformance.lines import claimed, stored_ranges
from litebatch_sql import lines
from litebatch_sql.executor import Transaction
from litebatch_sql.queries import Queries
from litebatch_sql.sweeps import Swept, sweep_lines
from tests.database import BACKENDS, Database

MIB = 1 << 20


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@asynccontextmanager
async def opened(database: Database) -> AsyncGenerator[Storage]:
    """The storage on a database, for the length of a block."""
    storage = open_storage(database.url)
    await storage.open()
    try:
        yield storage
    finally:
        await storage.close()


async def test_a_transaction_removes_some_megabytes(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One result at the least, however large; the next ones go on, up to the limit."""
    steps: list[int] = []
    sweep = sweep_lines

    async def noted(transaction: Transaction, queries: Queries, *, limit: int) -> Swept:
        swept = await sweep(transaction, queries, limit=limit)
        steps.append(swept.results)
        return swept

    monkeypatch.setattr(lines, "sweep_lines", noted)
    async with opened(database) as storage:
        [line_range] = await stored_ranges(storage)
        [held] = await claimed(storage)
        sizes = (3, 3, 3, 12, 1, 1, 1)
        rows = tuple(
            LineResult(
                line=line, kind=FileKind.ERROR if line == 5 else FileKind.OUTPUT, row=bytes(size * MIB)
            )
            for line, size in enumerate(sizes)
        )
        await storage.lines.write([RangeWrite(range=held, results=rows)])
        state = await storage.get_batch_state(line_range.batch_id)
        assert state is not None
        await change_to(storage, state.jobs[0], JobState.WITHDRAWN)
        assert [await storage.lines.sweep(limit=5), await storage.lines.sweep(limit=5)] == [5, 2]
        assert steps == [2, 1, 1, 1, 2]
        assert (await storage.lines.progress(line_range.job_id)).lines == 0


async def test_what_nobody_has_alone_any_more_is_removed(database: Database) -> None:
    async with opened(database) as storage:
        await storage.lines.take_alone("east", "killed", lease_seconds=0)
        await storage.lines.take_alone("west", "worker", lease_seconds=60)
        assert await storage.lines.sweep(limit=5) == 0
        assert await database.rows("SELECT deployment_id FROM line_alone") == [("west",)]
