"""Every trouble alone, and the most telling ones two at a time: what was promised holds."""

from __future__ import annotations

from itertools import cycle, product
from pathlib import Path

import pytest

from tests.database import BACKENDS, Database
from tests.faults import tiled, translated
from tests.faults.journey import outcome
from tests.faults.stage import TILES
from tests.faults.troubles import ALL, CORE_ON, PAIRS

pytestmark = pytest.mark.long


@pytest.mark.parametrize(
    ("name", "backend"), [case for case in product(ALL, BACKENDS) if case not in CORE_ON]
)
async def test_what_was_promised_holds_after(tmp_path: Path, database: Database, name: str) -> None:
    assert await outcome([ALL[name]], tmp_path, database=database) == []


@pytest.mark.parametrize("backend", ["sqlite"])
@pytest.mark.parametrize("name", ALL)
async def test_what_was_promised_holds_at_azure_after(tmp_path: Path, database: Database, name: str) -> None:
    assert await outcome([ALL[name]], tmp_path, flavour="azure classic", database=database) == []


@pytest.mark.parametrize(("name", "backend"), list(zip(PAIRS, cycle(BACKENDS), strict=False)))
async def test_what_was_promised_holds_after_both(tmp_path: Path, database: Database, name: str) -> None:
    assert await outcome(PAIRS[name], tmp_path, database=database) == []


@pytest.mark.parametrize(("where", "backend"), translated.ALL_ON, ids=str)
async def test_what_was_promised_holds_where_not_everybody_speaks_openai(
    tmp_path: Path, database: Database, where: tuple[str, str]
) -> None:
    trouble = translated.ALL[where]
    assert await outcome([trouble], tmp_path, flavour=where[0], database=database) == []


@pytest.mark.parametrize(("name", "backend"), [case for case in tiled.ALL_ON if case not in tiled.CORE_ON])
async def test_what_was_promised_holds_of_tiles_and_rescues_after(
    tmp_path: Path, database: Database, name: str
) -> None:
    assert await outcome([tiled.ALL[name]], tmp_path, flavour=TILES, database=database) == []
