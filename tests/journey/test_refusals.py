"""Which deployment is asked next, and when, once one has refused a batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from litebatch_asgi.batches.endings import MOST_COPY_REFUSALS
from litebatch_asgi.simulator import Fault, Simulator, SimulatorSettings
from litebatch_asgi.strategies import Candidate
from tests.database import Database
from tests.harness import UPSTREAM, running_gateway

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


async def test_refusals_leave_one_attempt_for_each_deployment(tmp_path: Path, database: Database) -> None:
    """However often a batch is refused while it waits."""
    settings = SimulatorSettings(max_enqueued_tokens=1, validating_seconds=0)
    async with running_gateway(
        tmp_path, database=database, simulator=Simulator(settings=settings)
    ) as gateway:
        batch = await gateway.create((await gateway.upload()).id)
        await gateway.simulator.until(lambda: len(gateway.provider_jobs()) > 8)
        rows = await database.rows("SELECT deployment_id, state FROM jobs")
        refused = Counter(where for where, state in rows if state == "refused")
        assert max(refused.values()) == 1
        assert len(rows) <= 3
        for name in UPSTREAM:
            gateway.simulator.account(name).configure(max_enqueued_tokens=None)
        assert (await gateway.ended(batch.id)).status == "completed"


async def test_a_copy_that_is_refused_for_ever_fails_the_batch(tmp_path: Path, database: Database) -> None:
    """Though its provider calls it ready each time it is asked; also once its file is deleted."""
    async with running_gateway(tmp_path, database=database) as gateway:
        refusing = gateway.simulator.add_fault(
            Fault(call="validate_batch", no_such_file=True, param="input_file_id", times=None)
        )
        file = await gateway.upload()
        batch = await gateway.create(file.id)
        await gateway.client().files.delete(file.id)
        ended = await gateway.ended(batch.id)
        assert ended.status == "failed"
        assert ended.errors is not None
        assert ended.errors.data is not None
        assert [error.code for error in ended.errors.data] == ["invalid_file"]
        assert refusing.struck == MOST_COPY_REFUSALS


async def test_a_deployment_that_refuses_is_asked_by_one_at_a_time(
    tmp_path: Path, database: Database
) -> None:
    """Many batches wait for it; each time it has cooled down, one of them tries."""
    async with running_gateway(tmp_path, database=database, names=["east"]) as gateway:
        refusing = gateway.simulator.add_fault(Fault(call="create_batch", status=429, times=None))
        file = await gateway.upload()
        batches = [await gateway.create(file.id) for _ in range(12)]
        slow = Fault(call="create_batch", status=429, delay=0.3, times=None)
        hanging = gateway.simulator.add_fault(slow)
        gateway.simulator.remove_fault(refusing)
        before = len(gateway.simulator.journal.select("create_batch"))
        await gateway.simulator.until(lambda: hanging.struck == 3)
        asked = gateway.simulator.journal.select("create_batch")[before:]
        assert all(later.time - sooner.time > 0.25 for sooner, later in pairwise(asked[-3:]))
        gateway.simulator.remove_fault(hanging)
        for batch in batches:
            assert (await gateway.ended(batch.id)).status == "completed"
