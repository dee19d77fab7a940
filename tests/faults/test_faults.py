"""One trouble at a time, over real sockets: what was promised holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.database import Database
from tests.faults import tiled, translated
from tests.faults.journey import outcome
from tests.faults.stage import TILES
from tests.faults.troubles import ALL, CORE_ON


@pytest.mark.parametrize(("name", "backend"), CORE_ON)
async def test_what_was_promised_holds_after(tmp_path: Path, database: Database, name: str) -> None:
    assert await outcome([ALL[name]], tmp_path, database=database) == []


@pytest.mark.parametrize(("where", "backend"), translated.CORE_ON, ids=str)
async def test_what_was_promised_holds_where_not_everybody_speaks_openai(
    tmp_path: Path, database: Database, where: tuple[str, str]
) -> None:
    trouble = translated.ALL[where]
    assert await outcome([trouble], tmp_path, flavour=where[0], database=database) == []


@pytest.mark.parametrize(("name", "backend"), tiled.CORE_ON)
async def test_what_was_promised_holds_of_tiles_and_rescues_after(
    tmp_path: Path, database: Database, name: str
) -> None:
    assert await outcome([tiled.ALL[name]], tmp_path, flavour=TILES, database=database) == []
