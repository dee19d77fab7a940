"""Troubles of batches of several tiles, of which one expires half-way: another deployment runs the rest.

The troubles of all others meet such a batch as well. Rows that fail for a passing reason, as three do, run
anew as a shard of their own, and fail once more.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import cycle
from typing import Any

import anyio
from msgspec.structs import replace

from litebatch_asgi.app import open_storage
from litebatch_asgi.operators import Operators
from litebatch_asgi.simulator import Course, Fault
from tests.database import BACKENDS
from tests.faults.calls import (
    TRIES,
    answers_late,
    answers_lost,
    calls_refused,
    connections_cut,
    deaths,
)
from tests.faults.journey import Act, Phase, Trouble
from tests.faults.placing import ROOM, lists_of_batches
from tests.faults.running import CANCELS, ENDINGS, LOSSES, RETRIEVAL, VANISHING, rows
from tests.faults.storing import COPIES, lists_of_files
from tests.faults.world import CANCEL, RUN, World
from tests.harness import PATIENCE_SECONDS

TILES, DERIVED = 3, "-10"
"""how many a file has; what is in the names of shards that are made of one, of their copies and jobs"""
HALF_WAY = Course(ends_at=0.5, ends_as="expired")
EXPIRES = Fault(call="start_batch", match=RUN, course=HALF_WAY)
SETTINGS: dict[str, Any] = {"rescue": True, "min_retry_rows": 1, "late_rows_grace_seconds": 3.0}
LEFT_SECONDS = 8.0
"""of its window, when a day has passed"""
MONTH = 31 * 86_400 * 1_000_000
LOOKS = 30
"""at providers, by when everything that is due was looked at"""
LOOKS_AT_ONE = 12
"""at a job that is long in ending"""
SHORT_LEASE: dict[str, Any] = {"lease_seconds": 1.0}


def tiled(trouble: Trouble) -> Trouble:
    """The same trouble, of such a batch: what is lost or broken off runs elsewhere, until it is cancelled."""
    return replace(
        trouble,
        faults=(EXPIRES, *trouble.faults),
        settings=SETTINGS | trouble.settings,
        ends=trouble.ends | {"completed"},
        cancels=trouble.cancels | {"cancelled"},
        loses=0,
    )


def deaths_on_the_way() -> Iterator[Trouble]:
    """Our own work breaks off at each place that an upload in tiles, or a rescue, passes."""
    for place in ("upload.tile_begun", "upload.tile_taken"):
        for count in (1, TILES):
            yield _death(f"{place}={count}", Phase.UPLOAD)
    for place in ("handon.derived", "copy.wanted"):
        for count in (1, 2):
            yield _death(f"{place}={count}", Phase.SETTLE)
    for place in ("place.intended", "place.answered", "place.stored"):
        for count in (2, TILES, 2 * TILES + 1):
            yield _death(f"{place}={count}", Phase.CREATE)
    for place in ("poll.ended", "settle.read", "settle.before", "settle.stored"):
        for count in (2, TILES, TILES + 1):
            yield _death(f"{place}={count}", Phase.SETTLE)


def _death(place: str, phase: Phase) -> Trouble:
    return Trouble(name=f"death at {place}", phase=phase, dies_at=f"{place}*raise", settings=SHORT_LEASE)


def calls_for_the_rest() -> Iterator[Trouble]:
    """Copy and job of what is handed on: refused, done without an answer, done late."""
    for call in ("upload_file", "create_batch"):
        for status in (403, 404, 429, 503):
            fault = Fault(call=call, match=DERIVED, status=status)
            yield Trouble(name=f"{call} of the rest {status}", phase=Phase.SETTLE, faults=(fault,))
        for status in (403, 504):
            fault = Fault(call=call, match=DERIVED, when="after", status=status)
            twin = call == "create_batch" and status == 403
            name = f"{call} of the rest done, {status}"
            yield Trouble(name=name, phase=Phase.SETTLE, faults=(fault,), makes_twins=twin)
        fault = Fault(call=call, match=DERIVED, when="after", drop=True)
        yield Trouble(name=f"{call} of the rest cut, done", phase=Phase.SETTLE, faults=(fault,))


def refusals_of_the_input() -> Iterator[Trouble]:
    """The input cannot be read, or not to its end, when the rest is counted."""
    hows: tuple[dict[str, Any], ...] = (
        {"status": 503, "times": TRIES + 1},
        {"drop": True},
        {"cut_after": 100},
        {"short_after": 100},
    )
    for how in hows:
        fault = Fault(call="stream_file", match="file-lb", **how)
        name = f"input of the rest {' '.join(map(str, how))}"
        yield Trouble(name=name, phase=Phase.SETTLE, faults=(fault,))


async def _first_job(world: World, journey: str) -> str:
    """The id at its provider of a job of a journey, once client and gateway know of it."""
    with anyio.fail_after(PATIENCE_SECONDS):
        while True:
            followed = await world.rows("SELECT provider_batch_id FROM jobs WHERE state = 'submitted'")
            for _, batch in world.open_jobs(journey):
                if (batch.id,) in followed and journey in world.batches:
                    return batch.id
            await anyio.sleep(0.01)


async def _stuck_job(world: World) -> str:
    """The same, of one that does not get on from then on, while all others may."""
    world.holds_runs = True
    job = await _first_job(world, RUN)
    world.stuck.add(job)
    world.holds_runs = False
    return job


async def stand_still(world: World) -> None:
    """A job does not get on, and a day passes."""
    await _stuck_job(world)
    await world.let_a_day_pass(world.batches[RUN], LEFT_SECONDS)


async def move_and_end_late(world: World) -> None:
    """An operator moves a job, which its provider ends once it was looked at again and again.

    Or as soon as another job has its lines: that is not to begin before.
    """
    running = await _stuck_job(world)
    cancelling = world.simulator.add_fault(Fault(call="finish_cancel", match=running, stall=True))
    ((job_id,),) = await world.rows(f"SELECT id FROM jobs WHERE provider_batch_id = '{running}'")
    storage = open_storage(world.database.url)
    await storage.open()
    try:
        await Operators(storage).move(job_id)
    finally:
        await storage.close()
    following = (
        "SELECT 1 FROM jobs AS each JOIN jobs AS moved ON moved.batch_id = each.batch_id"
        f" AND moved.shard = each.parent WHERE moved.id = '{job_id}' AND each.provider_batch_id IS NOT NULL"
    )
    looks = partial(world.simulator.journal.select, "retrieve_batch", object_id=running)
    enough = len(looks()) + LOOKS_AT_ONE
    while len(looks()) < enough and not await world.rows(following):  # noqa: ASYNC110 - as above
        await anyio.sleep(0.02)
    world.simulator.remove_fault(cancelling)


async def let_a_month_pass(world: World) -> None:
    """A month passes for what has a clock of one job's results while another job runs on."""
    running = await _stuck_job(world)
    results = f"SELECT id FROM files WHERE batch_id = '{world.batches[RUN]}'"
    with anyio.fail_after(PATIENCE_SECONDS):
        while not await world.rows(results):  # noqa: ASYNC110 - what is waited for is in the database
            await anyio.sleep(0.02)
    for statement in (
        f"UPDATE files SET expires_at = expires_at - {MONTH} WHERE id IN ({results})",
        f"UPDATE file_copies SET next_check_at = next_check_at - {MONTH} WHERE file_id IN ({results})",
    ):
        await world.database.change(statement)
    looks = len(world.simulator.journal)
    await world.simulator.until(lambda: len(world.simulator.journal) >= looks + LOOKS)
    world.stuck.discard(running)


async def rescue_before_the_cancel(world: World) -> None:
    """The jobs of the batch that is to be cancelled end, one half-way: rests are on their way, or run."""
    await _first_job(world, CANCEL)
    for account, batch in world.open_jobs(CANCEL):
        account.release(batch.id)


async def cancel_while_the_rest_is_counted(world: World) -> None:
    """The client cancels while the lines of the rest are read."""
    world.holds_runs = True  # so that nobody else reads the file
    await _first_job(world, CANCEL)
    stalled = world.simulator.add_fault(Fault(call="stream_file", match="file-lb", stall=True))
    await rescue_before_the_cancel(world)
    with anyio.move_on_after(PATIENCE_SECONDS):
        await world.simulator.until(lambda: stalled.struck > 0)
    await world.cancel(CANCEL)
    world.simulator.remove_fault(stalled)
    world.holds_runs = False


def late(name: str, *faults: Fault, dies_at: str = "", meanwhile: Act = stand_still, **how: Any) -> Trouble:
    """A job that is stopped because it would be late."""
    return Trouble(
        name=f"a job is late{name}",
        phase=Phase.POLL,
        faults=faults,
        dies_at=dies_at,
        settings=SHORT_LEASE if dies_at else {},
        meanwhile=meanwhile,
        ends=frozenset({"completed", "expired"}),  # a machine that is busy may need more than is left
        **how,
    )


def lateness() -> Iterator[Trouble]:
    """A job is stopped since it would be late: asked to, at each step of that, and answered badly."""
    yield late("")
    for place in ("stop.stored", "cancel.before", "cancel.answered", "poll.ended", "handon.derived"):
        yield late(f", death at {place}", dies_at=f"{place}=raise")
    for status in (404, 409, 503):
        yield late(f", {status} to its cancel", Fault(call="cancel_batch", match=RUN, status=status))
    yield late(", its cancel done, 504", Fault(call="cancel_batch", match=RUN, when="after", status=504))
    yield late(", its cancel cut, done", Fault(call="cancel_batch", match=RUN, when="after", drop=True))
    yield late(", and cancelled late", Fault(call="finish_cancel", match=RUN, delay=2.5))


def cancels() -> Iterator[Trouble]:
    """The client cancels during a rescue."""
    half = Fault(call="start_batch", match=CANCEL, course=HALF_WAY)
    for name, act in (
        ("cancelled during a rescue", rescue_before_the_cancel),
        ("cancelled while the rest is counted", cancel_while_the_rest_is_counted),
    ):
        yield Trouble(name=name, phase=Phase.CANCEL, faults=(half,), meanwhile=act)
    for place in ("handon.derived", "settle.stored", "cancel.stored", "cancel.answered"):
        yield Trouble(
            name=f"cancelled during a rescue, death at {place}",
            phase=Phase.CANCEL,
            faults=(half,),
            dies_at=f"{place}=raise",
            meanwhile=rescue_before_the_cancel,
            settings=SHORT_LEASE,
        )


OWN = (
    Trouble(name="no trouble", phase=Phase.SETTLE),
    Trouble(name="a month passes in between", phase=Phase.SETTLE, meanwhile=let_a_month_pass),
    Trouble(
        name="a job is moved, and ends late",
        phase=Phase.POLL,
        settings={"late_rows_grace_seconds": 0.2},  # so that nothing but its end is waited for
        meanwhile=move_and_end_late,
    ),
    *deaths_on_the_way(),
    *calls_for_the_rest(),
    *refusals_of_the_input(),
    *lateness(),
    *cancels(),
)
UNFIT = {"copy is cut off"}
"""what lies there half is of the first tile, and the upload that is in doubt perhaps of another"""
OF_ALL = (
    *calls_refused(404, 429, 503),
    *answers_lost(403, 504),
    *connections_cut(),
    *answers_late(),
    *deaths(),
    *lists_of_files(),
    *(trouble for trouble in COPIES if trouble.name not in UNFIT),
    *lists_of_batches(),
    *ROOM,
    *VANISHING,
    *ENDINGS,
    *CANCELS,
    *RETRIEVAL,
    *rows(),
    *LOSSES,
)
ALL = {trouble.name: tiled(trouble) for trouble in (*OWN, *OF_ALL)}
"""by name"""

CORE = (
    "no trouble",
    "death at handon.derived=1",
    "create_batch of the rest done, 504",
    "a job is late, death at stop.stored",
    "cancelled while the rest is counted",
)
CORE_ON = tuple(zip(CORE, cycle(BACKENDS), strict=False))
"""met in every test run, with the kind of database"""
ALL_ON = (
    *((trouble.name, backend) for trouble in OWN for backend in BACKENDS),
    *zip((trouble.name for trouble in OF_ALL), cycle(BACKENDS), strict=False),
)
"""the own ones on either database, those of all others on one each"""
