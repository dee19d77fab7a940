"""The matrix is no better than what it notices: each protection that is switched off must show."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.mutations import MUTATIONS, Mutation

pytestmark = pytest.mark.long


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
async def test_a_protection_that_is_switched_off_is_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mutation: Mutation
) -> None:
    assert await mutation.journey(tmp_path / "with") == []
    mutation.switch_off(monkeypatch)
    assert await mutation.journey(tmp_path / "without") != []
