from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from litebatch_asgi.cli.journey import Journey
from litebatch_asgi.cli.story import DemoFailed, Story
from litebatch_asgi.simulator import Fault
from tests.harness import InProcess


async def test_a_step_that_does_not_come_out_as_it_must_ends_the_journey(
    gateway: InProcess, tmp_path: Path
) -> None:
    gateway.simulator.add_fault(Fault(call="validate_batch", code="invalid_json_line", message="no"))
    for account in ("east", "west"):
        gateway.simulator.account(account)
    told = io.StringIO()
    async with gateway.http() as client:
        journey = Journey(client, gateway.simulator, Story(Console(file=told)), tmp_path / "in.jsonl")
        with pytest.raises(DemoFailed, match="expected that the batch ends as completed"):
            await journey.travel()
    assert "4. Watch it until it has ended" in told.getvalue()
    assert "5." not in told.getvalue()
