"""Troubles with placing: lists that do not show a job, quotas, validations, clocks, twins."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from litebatch_asgi.simulator import Account, Fault
from litebatch_asgi.simulator.account import NewBatch
from litebatch_asgi.simulator.objects import BatchObject
from tests.faults.calls import IMPATIENT, PATIENT, TRIES
from tests.faults.journey import Phase, Trouble
from tests.faults.storing import LOST_UPLOAD
from tests.faults.world import RUN, World

LOST_CREATE = Fault(call="create_batch", when="after", drop=True)
LOST_IN_A_WHILE = Fault(call="create_batch", when="after", drop=True, stall=True)
"""until the fault is removed"""


def lists_of_batches() -> Iterator[Trouble]:
    """The answer to a create is lost, and the list that is to tell does not tell at once."""
    lists: dict[str, dict[str, Any]] = {
        "hides the newest": {"hide_newest": 1, "times": 3},
        "lags by calls": {"list_lag_calls": 3, "times": 6},
        "lags by seconds": {"list_lag": 0.2, "times": 20},
        "fails": {"status": 503, "times": TRIES + 1},
        "is refused": {"status": 401, "times": 2},
        "breaks off": {"cut_after": 50, "times": TRIES + 1},
    }
    for name, changes in lists.items():
        faults = (LOST_CREATE, Fault(call="list_batches", **changes))
        yield Trouble(name=f"create lost, list {name}", phase=Phase.CREATE, faults=faults, settings=PATIENT)


async def crowd(world: World) -> None:
    """Others make 300 batches while the answer to a create is on its way and gets lost."""
    fault = world.simulator.add_fault(LOST_IN_A_WHILE)
    await world.simulator.until(lambda: bool(_done_unheard(world)))
    for account in world.accounts:
        account.add_foreign_batches(300)
    world.simulator.remove_fault(fault)


async def double(world: World) -> None:
    """Something on the way to the provider sends a create twice, and its answer is lost."""
    fault = world.simulator.add_fault(LOST_IN_A_WHILE)
    await world.simulator.until(lambda: bool(_done_unheard(world)))
    ((account, first),) = _done_unheard(world)
    again = NewBatch(
        input_file_id=first.input_file_id,
        endpoint=first.endpoint,
        completion_window=first.completion_window,
        metadata=first.metadata,
    )
    account.create_batch(again)
    world.simulator.remove_fault(fault)


def _done_unheard(world: World) -> list[tuple[Account, BatchObject]]:
    """The job that was made last, if nobody has heard of it."""
    entries = [entry for entry in world.simulator.journal.select("create_batch") if entry.done]
    made = entries[-1].object_id if entries and entries[-1].status == "dropped" else None
    return [job for job in world.jobs() if job[1].id == made]


async def do_late(world: World) -> None:
    """A create is done when it was given up and another job was made in its place."""
    fault = world.simulator.add_fault(Fault(call="create_batch", stall=True))
    await world.simulator.until(lambda: fault.struck == 1 and len(world.jobs(RUN)) == 1)
    world.simulator.remove_fault(fault)
    await world.simulator.until(lambda: len(world.jobs(RUN)) == 2)


async def stand_still(world: World) -> None:
    """Batches stay in validation until they were looked at several times."""
    for account in world.accounts:
        account.configure(hold=frozenset({"in_progress", "validating"}))
    await world.simulator.until(lambda: len(world.simulator.journal.select("retrieve_batch")) > 6)
    for account in world.accounts:
        account.configure(hold=frozenset({"in_progress"}))


async def fill_quota(world: World) -> None:
    """No deployment has room for a batch of ours."""
    for account in world.accounts:
        account.configure(max_enqueued_tokens=1)


async def free_quota(world: World) -> None:
    """There is room again, once several batches were given back."""
    await world.simulator.until(lambda: sum(batch.status == "failed" for _, batch in world.jobs()) > 3)
    for account in world.accounts:
        account.configure(max_enqueued_tokens=None)


CROWDS = (
    Trouble(name="create lost, 300 batches ahead", phase=Phase.CREATE, meanwhile=crowd),
    Trouble(
        name="create lost, 300 batches ahead, page 2 fails",
        phase=Phase.CREATE,
        faults=(Fault(call="list_batches", page=2, status=502, times=TRIES + 1),),
        meanwhile=crowd,
    ),
)

CLOCKS = tuple(
    Trouble(
        name=f"answers lost, clocks {east:+} and {west:+} s",
        phase=Phase.CREATE,
        faults=(LOST_UPLOAD, LOST_CREATE),
        accounts={"east": {"clock_offset": east}, "west": {"clock_offset": west}},
    )
    for east, west in ((120, -120), (-120, 120))
)

ROOM = (
    Trouble(
        name="quota exceeded after the create",
        phase=Phase.CREATE,
        faults=(Fault(call="validate_batch", code="token_limit_exceeded", times=3),),
    ),
    Trouble(name="quota full for a while", phase=Phase.CREATE, uploaded=fill_quota, meanwhile=free_quota),
    Trouble(
        name="all ask to wait",
        phase=Phase.CREATE,
        faults=(Fault(call="create_batch", status=429, times=4),),
    ),
    Trouble(
        name="one deployment is down for a while",
        phase=Phase.CREATE,
        faults=(Fault(account="east", status=503, times=8),),
    ),
)

VALIDATION = (
    Trouble(
        name="lines are refused",
        phase=Phase.CREATE,
        faults=(Fault(call="validate_batch", match=RUN, code="invalid_json_line", message="No JSON."),),
        ends=frozenset({"failed"}),
    ),
    Trouble(
        name="validation takes its time",
        phase=Phase.CREATE,
        faults=(Fault(call="validate_batch", delay=0.3, times=2),),
    ),
    Trouble(name="validation stands still", phase=Phase.CREATE, meanwhile=stand_still),
)

TWINS = (
    Trouble(
        name="create done, 503, list hides it",
        phase=Phase.CREATE,
        faults=(
            Fault(call="create_batch", when="after", status=503),
            Fault(call="list_batches", hide_newest=1, times=4),
        ),
        makes_twins=True,
    ),
    Trouble(
        name="create done when it was given up",
        phase=Phase.CREATE,
        meanwhile=do_late,
        settings=IMPATIENT,
        makes_twins=True,
    ),
    *(
        Trouble(
            name=f"create done when it was given up, {status} to its cancel",
            phase=Phase.CREATE,
            faults=(Fault(call="cancel_batch", status=status, times=TRIES + 1),),
            meanwhile=do_late,
            settings=IMPATIENT,
            makes_twins=True,
        )
        for status in (404, 503)
    ),
    Trouble(
        name="create is passed on twice, 503 to a cancel",
        phase=Phase.CREATE,
        faults=(Fault(call="cancel_batch", status=503, times=TRIES + 1),),
        meanwhile=double,
        makes_twins=True,
    ),
)
