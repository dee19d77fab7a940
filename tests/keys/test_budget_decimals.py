"""Amounts that a database may have no room for."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.access.standalone import MASTER, standalone
from tests.database import BACKENDS, database_on

TOO_SMALL = ("1E-20000", "1E-999999", "1E-31", "5e-324")
WITH_TOO_MANY = ('"0.' + 31 * "1" + '"', '"1E-40"')


@pytest.mark.parametrize("backend", BACKENDS)
async def test_a_budget_has_no_more_decimals_than_there_is_room_for(tmp_path: Path, backend: str) -> None:
    """PostgreSQL's `numeric` has 16,383 of them; a statement with more fails."""
    async with (
        database_on(backend, tmp_path) as database,
        standalone(tmp_path, database) as gateway,
        gateway.http(MASTER) as http,
    ):
        for budget in WITH_TOO_MANY:
            answer = await http.post("/key/generate", content=f'{{"max_budget": {budget}}}')
            assert answer.status_code == 400, answer.text
            assert answer.json()["error"]["param"] == "max_budget"
        for budget in TOO_SMALL:
            answer = await http.post("/key/generate", content=f'{{"max_budget": {budget}}}')
            assert answer.json()["max_budget"] == 0
        for budget in ("0.30000000000000004", '"0.30000000000000004"'):
            answer = await http.post("/key/generate", content=f'{{"max_budget": {budget}}}')
            assert answer.json()["max_budget"] == 0.30000000000000004
