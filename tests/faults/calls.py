"""What goes wrong at providers: refusals, lost answers, late answers, and our own death between two steps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from litebatch_asgi.simulator import Fault
from litebatch_asgi.simulator.faults import CallName
from tests.faults.journey import Phase, Trouble

STATUSES = (401, 403, 404, 408, 429, 500, 502, 503, 504)
REFUSALS = (401, 403, 404, 429)
"""after which another deployment is tried at once: a twin is made if the work was done all the same"""
TRIES = 3
"""how often a call that changes nothing is made before it counts as failed"""
PATIENT: dict[str, Any] = {"adopt_grace_seconds": 4.0}
"""for what is found by several looks, which take longer on a busy machine"""
IMPATIENT: dict[str, Any] = {"provider_timeout_seconds": 0.4, "adopt_grace_seconds": 0.8}
LATE = 0.7
"""seconds: past the time-out, within the grace"""
RESULTS = "batch_"
"""in the filename of results, and not of inputs"""
CALLS: tuple[tuple[Phase, CallName], ...] = (
    (Phase.UPLOAD, "upload_file"),
    (Phase.CREATE, "create_batch"),
    (Phase.POLL, "retrieve_batch"),
    (Phase.SETTLE, "stream_file"),
    (Phase.CANCEL, "cancel_batch"),
    (Phase.DELETE, "delete_file"),
)
"""the call that each phase hangs on"""
PLACES = {
    Phase.UPLOAD: ("upload.created", "upload.intended", "upload.answered", "upload.stored"),
    Phase.CREATE: ("place.intended", "place.answered", "place.stored"),
    Phase.SETTLE: ("poll.ended", "settle.read", "settle.before", "settle.stored"),
    Phase.CANCEL: ("cancel.before",),
    Phase.DELETE: ("remove.done",),
}
"""where our own work may break off"""

When = Literal["early", "before", "after"]


def calls_refused(*statuses: int) -> Iterator[Trouble]:
    """A call is refused, with nothing done, so often that the tries of one reading do not help."""
    for phase, call in CALLS:
        times = 1 if call in ("upload_file", "create_batch") else TRIES + 1
        for status in statuses:
            # 404 to a delete says that the file is gone, and who says so is believed
            if (call, status) != ("delete_file", 404):
                fault = Fault(call=call, status=status, times=times, match=_only_results(call))
                yield Trouble(name=f"{call} {status}", phase=phase, faults=(fault,))


def answers_lost(*statuses: int) -> Iterator[Trouble]:
    """A call is done, and the answer does not say so."""
    for phase, call in CALLS:
        for status in statuses:
            fault = Fault(call=call, when="after", status=status, match=_only_results(call))
            twin = call == "create_batch" and status in REFUSALS
            name = f"{call} done, {status}"
            yield Trouble(name=name, phase=phase, faults=(fault,), makes_twins=twin)


def connections_cut() -> Iterator[Trouble]:
    """The connection ends before an answer, with and without the work done, or in the middle of one."""
    whens: tuple[tuple[When, str], ...] = (("early", "not read"), ("before", "not done"), ("after", "done"))
    for phase, call in CALLS:
        for when, how in whens:
            yield Trouble(
                name=f"{call} cut, {how}", phase=phase, faults=(Fault(call=call, when=when, drop=True),)
            )
        fault = Fault(call=call, cut_after=10, match=_only_results(call))
        yield Trouble(name=f"{call} cut in the answer", phase=phase, faults=(fault,))
    for size in (100, 2000):
        fault = Fault(call="upload_file", cut_request_after=size)
        yield Trouble(name=f"upload_file cut after {size} bytes", phase=Phase.UPLOAD, faults=(fault,))


def answers_late() -> Iterator[Trouble]:
    """The answer comes past our time-out; the work is done at once, or as late as the answer."""
    whens: tuple[tuple[When, str], ...] = (("after", "done at once"), ("before", "done late"))
    for phase, call in CALLS:
        for when, how in whens:
            fault = Fault(call=call, when=when, delay=LATE)
            yield Trouble(name=f"{call} late, {how}", phase=phase, faults=(fault,), settings=IMPATIENT)


def deaths() -> Iterator[Trouble]:
    """Our own work breaks off at a named place, and nobody goes on with it before the lease is over."""
    for phase, places in PLACES.items():
        for place in places:
            yield death_at(place, phase)


def death_at(place: str, phase: Phase) -> Trouble:
    """The same at one place."""
    return Trouble(
        name=f"death at {place}", phase=phase, dies_at=f"{place}=raise", settings={"lease_seconds": 1.0}
    )


def _only_results(call: CallName) -> str | None:
    return RESULTS if call == "stream_file" else None
