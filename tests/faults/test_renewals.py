"""Copies are sent anew while things go wrong: what was promised holds."""

from __future__ import annotations

from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from litebatch_asgi.simulator import Fault
from tests.database import BACKENDS, Database
from tests.faults.renewals import LOST_UPLOADS, models_change

TROUBLES: dict[str, dict[str, Any]] = {
    "none": {},
    "new copies are not made": {"faults": [LOST_UPLOADS]},
    "new copies are made, answers lost": {"faults": [Fault(call="upload_file", when="after", drop=True)] * 2},
    "new copies are refused for a while": {"faults": [Fault(call="upload_file", status=403, times=6)]},
    **{
        f"death at {place}": {"dies_at": f"{place}=raise"}
        for place in ("renewal.begun", "upload.intended", "upload.answered", "upload.stored")
    },
}


@pytest.mark.parametrize(("name", "backend"), list(zip(TROUBLES, cycle(BACKENDS), strict=False)))
async def test_what_was_promised_holds_when_models_change(
    tmp_path: Path, database: Database, name: str
) -> None:
    assert await models_change(tmp_path, database, **TROUBLES[name]) == []
