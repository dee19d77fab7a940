"""Troubles with jobs that run or have ended: they vanish, end otherwise, and leave what nobody asked for."""

from __future__ import annotations

from collections.abc import Iterator

import anyio

from litebatch_asgi.simulator import Fault, RowFaults
from litebatch_asgi.simulator.objects import BatchObject, RequestCounts
from tests.faults.calls import PATIENT, RESULTS, TRIES
from tests.faults.journey import Phase, Trouble
from tests.faults.world import CANCEL, RUN, World

LOST = Fault(call="run_batch", match=RUN, rows=RowFaults(lost=3))


async def vanish_for_long(world: World) -> None:
    """A job is away until another is made in its place, and then there again."""
    world.holds_runs = True
    while len(world.open_jobs(RUN)) < 2:
        await world.simulator.until(lambda: bool(world.open_jobs(RUN)))
        await _hide(world, world.open_jobs(RUN)[0][1])
    world.holds_runs = False


async def _hide(world: World, job: BatchObject) -> None:
    """Hide a job until another is made in its place, or its provider has failed it after all."""

    def is_over() -> bool:
        known = [each.id for _, each in world.open_jobs(RUN)]
        return len(known) == 2 or job.id not in known

    fault = world.simulator.add_fault(Fault(vanish=True, match=job.id, times=None))
    await world.simulator.until(is_over)
    world.simulator.remove_fault(fault)


async def forget(world: World) -> None:
    """A job is not known any more once it has said that it has ended."""
    await world.simulator.until(lambda: any(batch.status == "completed" for _, batch in world.jobs(RUN)))
    for _, batch in world.jobs(RUN):
        gone = Fault(call="retrieve_batch", match=batch.id, skip=1, status=404, times=None)
        world.simulator.add_fault(gone)


async def cancel_at_once(world: World) -> None:
    """The client cancels as soon as it has an id, wherever the create is then."""
    while CANCEL not in world.batches:  # noqa: ASYNC110 - set by the client beside us
        await anyio.sleep(0.01)
    await world.cancel(CANCEL)


async def shorten_by_one(world: World) -> None:
    """The first download that is answered at all lacks the newline at its end."""
    for account in world.accounts:
        account.configure(final_newline=True)
    first = Fault(call="stream_file", match=RESULTS, stall=True, status=503)
    fault = world.simulator.add_fault(first)
    await world.simulator.until(lambda: fault.struck == 1)
    for account in world.accounts:
        for file in account.files.values():
            if file.purpose == "batch_output":
                account.add_fault(Fault(call="stream_file", match=file.id, short_after=file.bytes - 1))
    world.simulator.remove_fault(fault)


VANISHING = (
    Trouble(
        name="job vanishes and comes back",
        phase=Phase.POLL,
        faults=(Fault(vanish=True, match=RUN, times=3),),
        settings=PATIENT | {"vanished_grace_seconds": 4.0},
    ),
    Trouble(
        name="job is listed and not found",
        phase=Phase.POLL,
        faults=(Fault(call="retrieve_batch", match=RUN, status=404, times=2),),
    ),
    Trouble(name="job vanishes for long", phase=Phase.POLL, meanwhile=vanish_for_long, makes_twins=True),
)

ENDINGS = (
    Trouble(
        name="job expires",
        phase=Phase.POLL,
        faults=(Fault(call="run_batch", match=RUN, ending="expired"),),
        ends=frozenset({"expired"}),
    ),
    Trouble(
        name="job is cancelled at the provider",
        phase=Phase.POLL,
        faults=(Fault(call="run_batch", match=RUN, ending="cancelled"),),
    ),
    Trouble(
        name="job ends before it is cancelled",
        phase=Phase.CANCEL,
        faults=(Fault(call="run_batch", match=CANCEL, ending="completed"),),
        cancels=frozenset({"completed"}),
    ),
    Trouble(
        name="cancelled job says that it has done nothing",
        phase=Phase.CANCEL,
        accounts={name: {"reset_cancelled_counts": True} for name in ("east", "west")},
    ),
)

CANCELS = tuple(
    Trouble(
        name=f"cancelled while the create is {how}",
        phase=Phase.CANCEL,
        faults=faults,
        settings={"place_budget_seconds": 0.05},
        meanwhile=cancel_at_once,
    )
    for how, faults in (
        ("under way", (Fault(call="create_batch", match=CANCEL, delay=0.3),)),
        (
            "in doubt",
            (
                Fault(call="create_batch", match=CANCEL, when="after", drop=True),
                Fault(call="list_batches", hide_newest=1, times=3),
            ),
        ),
        ("refused by all", (Fault(call="create_batch", match=CANCEL, status=429, times=None),)),
    )
)

RETRIEVAL = (
    *(
        Trouble(
            name=f"results {how}",
            phase=Phase.SETTLE,
            faults=(Fault(call="stream_file", match=RESULTS, times=2, cut_after=cut, short_after=short),),
        )
        for how, cut, short in (
            ("cut", 1000, None),
            ("short", None, 1000),
            ("empty", None, 0),
        )
    ),
    Trouble(name="results lack their last byte", phase=Phase.SETTLE, meanwhile=shorten_by_one),
    Trouble(
        name="results are not there for a while",
        phase=Phase.SETTLE,
        faults=(Fault(call="stream_file", match=RESULTS, status=404, times=24),),
        settings={"lost_grace_seconds": 0.005},
    ),
    Trouble(
        name="ids of results come late",
        phase=Phase.SETTLE,
        faults=(Fault(call="run_batch", match=RUN, ids_late=3),),
        settings={"lost_grace_seconds": 2.0},
    ),
    *(
        Trouble(
            name=f"cancelled job leaves {left}",
            phase=Phase.CANCEL,
            accounts={name: {"cut_short_results": results} for name in ("east", "west")},
        )
        for left, results in (("what was executed", "partial"), ("nothing", "none"))
    ),
    Trouble(
        name="counts are wrong",
        phase=Phase.SETTLE,
        faults=(Fault(call="run_batch", match=RUN, counts=RequestCounts(total=12, completed=12, failed=0)),),
    ),
)


def rows() -> Iterator[Trouble]:
    """Results that are not those of the input."""
    kinds = {
        "lost": RowFaults(lost=3),
        "doubled": RowFaults(doubled=4),
        "foreign": RowFaults(foreign=2),
        "unparsable": RowFaults(unparsable=2),
        "lost, doubled, foreign and unparsable": RowFaults(lost=2, doubled=2, foreign=2, unparsable=2),
    }
    for name, wrong in kinds.items():
        fault = Fault(call="run_batch", match=RUN, rows=wrong)
        loses = wrong.lost + wrong.unparsable
        yield Trouble(name=f"rows {name}", phase=Phase.SETTLE, faults=(fault,), loses=loses)


LOSSES = (
    Trouble(
        name="rows lost, sizes not told",
        phase=Phase.SETTLE,
        faults=(LOST, Fault(call="retrieve_file", status=503, times=TRIES + 1)),
        loses=3,
    ),
    Trouble(
        name="rows lost, input cut",
        phase=Phase.SETTLE,
        faults=(LOST, Fault(call="stream_file", match="file-lb", cut_after=500, times=2)),
        loses=3,
    ),
    Trouble(name="rows lost, job forgotten", phase=Phase.SETTLE, faults=(LOST,), meanwhile=forget, loses=3),
)
