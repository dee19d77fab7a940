"""Which deployment is asked next, and when, once one has refused a batch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from litebatch_asgi.simulator import Fault
from litebatch_asgi.strategies import Candidate
from tests.database import Database
from tests.harness import running_gateway

NAMES = ("east", "north", "west")


def by_name(candidates: Sequence[Candidate], *, seed: str) -> list[Candidate]:
    """The same order each time."""
    return sorted(candidates, key=lambda each: each.deployment_id)


async def test_a_deployment_that_was_not_asked_yet_comes_before_one_that_refused(
    tmp_path: Path, database: Database
) -> None:
    """Also where the one that refused first has cooled down by then."""
    async with running_gateway(tmp_path, database=database, names=NAMES, strategy=by_name) as gateway:
        file = await gateway.upload()
        simulator = gateway.simulator
        simulator.add_fault(Fault(account="east", call="create_batch", status=403, times=None))
        simulator.add_fault(Fault(account="north", call="create_batch", status=403, delay=0.5, times=None))
        batch = await gateway.ended((await gateway.create(file.id)).id)
        assert batch.status == "completed"
        asked = [entry.account for entry in simulator.journal.select("create_batch")]
        assert asked == ["east", "north", "west"]
