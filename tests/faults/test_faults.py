"""One trouble at a time, over real sockets: what was promised holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.database import Database
from tests.faults.journey import outcome
from tests.faults.troubles import ALL, CORE_ON


@pytest.mark.parametrize(("name", "backend"), CORE_ON)
async def test_what_was_promised_holds_after(tmp_path: Path, database: Database, name: str) -> None:
    assert await outcome([ALL[name]], tmp_path, database=database) == []
