"""Heartbeats of processes that have long been gone."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from litebatch_asgi.app import open_storage
from litebatch_asgi.testing.conformance.base import stored_job
from tests.database import BACKENDS, database_on
from tests.postgres import run_on

DAYS = 86_400_000_000


@pytest.mark.parametrize("backend", BACKENDS)
async def test_they_are_forgotten_after_a_day(tmp_path: Path, backend: str) -> None:
    """By the next heartbeat of another one; until then they tell when a deployment was seen last."""
    async with database_on(backend, tmp_path) as database:

        async def turn_back(days: float) -> None:
            change = f"UPDATE heartbeats SET seen_at = seen_at - {int(days * DAYS)} WHERE worker = 'old'"
            if backend == "sqlite":
                with closing(sqlite3.connect(database.url.removeprefix("sqlite:///"))) as file, file:
                    file.execute(change)
            else:
                await run_on(database.url, change, "SELECT 1")

        storage = open_storage(database.url)
        await storage.open()
        await stored_job(storage)
        await storage.heartbeats.beat("old", {"east": ["a"]}, lapse_seconds=60)
        [before] = await storage.heartbeats.in_use()
        await turn_back(0.9)
        await storage.heartbeats.beat("new", {}, lapse_seconds=60)
        [known] = await storage.heartbeats.in_use()
        assert before.last_seen is not None
        assert known.last_seen is not None
        assert known.last_seen < before.last_seen
        await turn_back(0.2)
        await storage.heartbeats.beat("new", {}, lapse_seconds=60)
        [forgotten] = await storage.heartbeats.in_use()
        assert forgotten.last_seen is None
        await storage.close()
