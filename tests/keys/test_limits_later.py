"""Limits that are set while batches are open, and files are there."""

from __future__ import annotations

from pathlib import Path

import pytest
from openai import RateLimitError

from litebatch_asgi.simulator import Simulator, SimulatorSettings
from tests.access.standalone import standalone
from tests.database import BACKENDS, database_on


@pytest.mark.parametrize("kind", ["key", "user", "team"])
@pytest.mark.parametrize("backend", BACKENDS)
async def test_what_is_open_when_a_limit_is_set_counts(tmp_path: Path, backend: str, kind: str) -> None:
    held = Simulator(settings=SimulatorSettings(validating_seconds=0, hold=frozenset({"in_progress"})))
    async with (
        database_on(backend, tmp_path) as database,
        standalone(tmp_path, database, simulator=held) as gateway,
    ):
        await gateway.manage("/team/new", team_id="search")
        key = await gateway.new_key(team_id="search", user_id="7")
        file = await gateway.upload(key=key)
        first = await gateway.create(file.id, key=key)
        await gateway.create(file.id, key=key)
        named = {"key": key} if kind == "key" else {f"{kind}_id": "search" if kind == "team" else "7"}
        await gateway.manage(f"/{kind}/update", max_open_batches=2, **named)
        with pytest.raises(RateLimitError, match="is 2: 2 in use"):
            await gateway.create(file.id, key=key)
        await gateway.client(key).batches.cancel(first.id)
        await gateway.reached(first.id, "cancelled", key=key)
        await gateway.create(file.id, key=key)


@pytest.mark.parametrize("backend", BACKENDS)
async def test_files_that_are_there_when_a_limit_is_set_count(tmp_path: Path, backend: str) -> None:
    """Those of all keys of a team."""
    async with database_on(backend, tmp_path) as database, standalone(tmp_path, database) as gateway:
        await gateway.manage("/team/new", team_id="search")
        keys = [await gateway.new_key(team_id="search") for _ in range(2)]
        first, _ = [await gateway.upload(key=key) for key in keys]
        await gateway.manage("/team/update", team_id="search", max_files=2)
        with pytest.raises(RateLimitError, match="max_files of team:search is 2: 2 in use"):
            await gateway.upload(key=keys[1])
        await gateway.client(keys[0]).files.delete(first.id)
        await gateway.upload(key=keys[1])
