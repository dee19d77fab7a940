"""The story of a batch: what has happened to it, each with a sentence. Pure.

Names of deployments, and what providers have said, are for admins alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from litebatch_asgi.models import Event, Lane, Page, StopReason
from litebatch_asgi.wire.waiting import told_to_owner

_FOR_OWNERS = (
    *("status", "model", "endpoint", "metadata", "counts", "usage", "cost", "errors"),
    *("input_file_id", "output_file_id", "error_file_id", "lines", "lane"),
)
"""of a payload; whatever else is in it is for admins"""
_FOR_NOBODY = frozenset({"traceparent"})
"""what those who trace the gateway need, and its clients do not"""


class BatchEventObject(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to a batch."""

    id: str
    object: Literal["batch.event"] = "batch.event"
    seq: Annotated[int, Meta(description="Counted from 1 within the batch.")]
    type: Annotated[str, Meta(description="Such as `batch.completed` or `job.placed`; more may come.")]
    created_at: int
    message: Annotated[str, Meta(description="A sentence for people.")]
    data: Annotated[
        dict[str, Any], Meta(description="How things were then: status, counts, usage, cost and the like.")
    ]


class BatchEventList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the story of a batch."""

    object: Literal["list"] = "list"
    data: list[BatchEventObject]
    first_id: str | None
    last_id: str | None
    has_more: bool


def batch_event_list(page: Page[Event], *, for_admin: bool = False) -> BatchEventList:
    """A page of the story as clients see it."""
    data = [_object(event, for_admin=for_admin) for event in page.items]
    first, last = (data[0].id, data[-1].id) if data else (None, None)
    return BatchEventList(data=data, first_id=first, last_id=last, has_more=page.has_more)


def event_for_owner(event: Event) -> Event:
    """The event without what is for admins alone."""
    kept = {name: event.payload[name] for name in _FOR_OWNERS if name in event.payload}
    if event.type == "job.waiting":
        reason, until = str(event.payload.get("reason")), event.payload.get("until")
        moment = datetime.fromisoformat(until) if until is not None else None
        kept |= {"reason": reason, "until": until, "message": told_to_owner(reason, moment)}
    return replace(event, payload=kept)


def _object(event: Event, *, for_admin: bool) -> BatchEventObject:
    shown = event if for_admin else event_for_owner(event)
    return BatchEventObject(
        id=event.id,
        seq=event.seq,
        type=event.type,
        created_at=int(event.created_at.timestamp()),
        message=message_of(shown),
        data={name: value for name, value in shown.payload.items() if name not in _FOR_NOBODY},
    )


def message_of(event: Event) -> str:
    """A sentence that says what has happened; it names what the payload names, and nothing else."""
    sentence = SENTENCES.get(event.type)
    return sentence(event.payload) if sentence is not None else f"Something happened: {event.type}."


_Payload: TypeAlias = Mapping[str, Any]


def _count(payload: _Payload, name: str) -> int:
    counts: Mapping[str, int] = payload.get("counts") or {}
    return counts.get(name, 0)


def _requests(count: int) -> str:
    return "1 request" if count == 1 else f"{count} requests"


def _done(payload: _Payload) -> str:
    total, completed = _count(payload, "total"), _count(payload, "completed")
    return f"{completed} of {_requests(total)} succeeded, {_count(payload, 'failed')} did not"


def _created(payload: _Payload) -> str:
    return f"The batch was created with {_requests(_count(payload, 'total'))} for {payload.get('model')}."


def _failed(payload: _Payload) -> str:
    errors: list[Mapping[str, str]] = payload.get("errors") or []
    said = (errors[0].get("message") or errors[0].get("code")) if errors else None
    return f"The batch failed: {said}" if said else "The batch failed."


def _charged(payload: _Payload) -> str:
    cost = payload.get("cost")
    return f"The batch cost ${cost}." if cost is not None else "The batch has ended; its cost is not known."


def _there(payload: _Payload, otherwise: str = "A deployment") -> str:
    return str(payload.get("deployment") or otherwise)


def _because(payload: _Payload) -> str:
    reason = payload.get("reason")
    return f": {reason}" if reason else "."


def _placed(payload: _Payload) -> str:
    if payload.get("lane") == Lane.LIVE:
        return f"The requests of the batch are sent to {_there(payload, 'a deployment')}, one by one."
    return f"{_there(payload)} has taken the batch."


def _stopped(payload: _Payload) -> str:
    at = payload.get("deployment")
    where = f" at {at}" if at else ""
    return f"An attempt to run the batch{where} ended without results{_because(payload)}"


def _handed_on(payload: _Payload) -> str:
    if payload.get("reason") == "gone":
        return (
            f"{_there(payload)} is in no configuration any more: another deployment runs the lines of its "
            "job, and the provider may charge for both."
        )
    if payload.get("reason") == StopReason.CANARY:
        return f"{_requests(payload.get('lines') or 0)} {_OVERDUE}"
    lines, reason = payload.get("lines") or 0, payload.get("reason")
    why = f" ({reason})" if reason else ""
    return f"{_requests(lines)} of the batch were left undone{why} and run at another deployment."


_OVERDUE = (
    "that were to run first have no answer in time: the batch goes on without its canary, and they run at "
    "another deployment."
)


def _canary(payload: _Payload) -> str:
    count = payload.get("lines") or 0
    run = "runs" if count == 1 else "run"
    return f"{_requests(count)} {run} first, one by one: the others wait for how that ends."


SENTENCES: Mapping[str, Callable[[_Payload], str]] = MappingProxyType(
    {
        "batch.created": _created,
        "acreate_batch": lambda payload: "The call that creates the batch was recorded.",
        "batch.in_progress": lambda payload: "The batch runs.",
        "batch.finalizing": lambda payload: "The batch has run; its results are being read.",
        "batch.completed": lambda payload: f"The batch completed: {_done(payload)}.",
        "batch.failed": _failed,
        "batch.expired": lambda payload: f"The batch expired: {_done(payload)}.",
        "batch.cancelling": lambda payload: "The batch is being cancelled.",
        "batch.cancelled": lambda payload: f"The batch was cancelled: {_done(payload)}.",
        "batch_success": _charged,
        "job.placed": _placed,
        "job.adopted": lambda payload: (
            f"{_there(payload)} was found to have the batch, although its answer was lost."
        ),
        "job.doubted": lambda payload: (
            f"{_there(payload)} gave no clear answer: the batch is searched for there{_because(payload)}"
        ),
        "job.waiting": lambda payload: str(payload.get("message")),
        "job.stopped": _stopped,
        "job.handed_on": _handed_on,
        "job.canary": _canary,
        "job.canary_overdue": lambda payload: (
            "No live deployment has taken the requests that were to run first: the batch goes on without its "
            "canary."
        ),
        "deployment.resting": lambda payload: str(payload.get("message")),
        "deployment.gone": lambda payload: str(payload.get("message")),
        "budget.soft": lambda payload: str(payload.get("message")),
        "budget.reached": lambda payload: str(payload.get("message")),
        "job.settled": lambda payload: f"The results were read: {_done(payload)}.",
    }
)
"""Sentences by type, for all events but those of files, which are in no story."""
