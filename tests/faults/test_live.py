"""Live jobs whose holders are lost, late, or cut off from the database: each result is there once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.database import Database
from tests.faults import live

JOURNEYS: dict[str, Callable[[Path, Database], Awaitable[list[str]]]] = {
    "answers come late": live.answers_come_late,
    "nothing is stored": live.nothing_is_stored,
    "claims run out": live.claims_run_out,
    "a holder dies": live.holder_dies,
    "one kills its holders": live.one_kills_its_holders,
    "commits without an answer": live.commits_without_an_answer,
}


@pytest.mark.parametrize("journey", JOURNEYS)
async def test_each_result_is_there_once(tmp_path: Path, database: Database, journey: str) -> None:
    assert await JOURNEYS[journey](tmp_path, database) == []
