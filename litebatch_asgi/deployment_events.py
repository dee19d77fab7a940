"""The events of deployments, for sinks of operators alone. Pure: `now` is passed.

`deployment.resting`: a process places nothing on it for a while. Told when that begins, not while it goes on,
and not while it rests anyway by what another process has told. Its payload:

- `deployment`, its id
- `reason`: a word, such as `busy`, `key_rejected`, `unreachable` or `batches_vanished`
- `status`: the HTTP status that it answered
- `until`: when it is asked again at the earliest, ISO 8601
- `message`: a sentence

`deployment.gone`: jobs or copies name it, and it is in no process's configuration any more. Told once each
time that it is gone. Its payload:

- `deployment`, its id
- `open_jobs`, `copies`: how many are there still
- `last_seen`: when a process last had it, ISO 8601; None: longer ago than heartbeats are kept
- `message`: a sentence
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec

from litebatch_asgi.heartbeats import DeploymentUse
from litebatch_asgi.models import Event
from litebatch_asgi.models.ids import EVENT_PREFIX, new_id
from litebatch_asgi.models.tellings import Telling
from litebatch_asgi.refusals import Refusal, words_for

RESTING, GONE = "deployment.resting", "deployment.gone"


class Rest(msgspec.Struct, frozen=True, kw_only=True):
    """That nothing is placed on a deployment for a while."""

    deployment_id: str
    reason: Refusal
    status: int | None
    """what the deployment answered"""
    seconds: float


def resting(rest: Rest, now: datetime) -> Telling:
    """That a deployment begins to rest."""
    until = now + timedelta(seconds=rest.seconds)
    payload = {
        "deployment": rest.deployment_id,
        "reason": rest.reason.value,
        "status": rest.status,
        "until": until.isoformat(),
        "message": (
            f"{rest.deployment_id} {words_for(rest.reason, rest.status)}: nothing is placed there until "
            f"{until:%H:%M:%S} UTC, nor afterwards while it goes on like that."
        ),
    }
    return _telling(RESTING, rest.deployment_id, payload, now, until=until)


def gone(use: DeploymentUse, now: datetime) -> Telling:
    """That a deployment which objects need is in no configuration any more."""
    seen = use.last_seen.isoformat() if use.last_seen is not None else None
    payload = {
        "deployment": use.deployment_id,
        "open_jobs": use.open_jobs,
        "copies": use.copies,
        "last_seen": seen,
        "message": (
            f"{use.deployment_id} is in no process's configuration any more, and has {in_words(use)}: put it "
            "back, or their batches end without it."
        ),
    }
    return _telling(GONE, use.deployment_id, payload, now, mark=seen)


def in_words(use: DeploymentUse) -> str:
    """What a deployment has, such as `1 open job and 2 copies`."""
    jobs, copies = use.open_jobs, use.copies
    told = (f"{jobs:,} open job{'' if jobs == 1 else 's'}", f"{copies:,} cop{'y' if copies == 1 else 'ies'}")
    return " and ".join(each for each in told if not each.startswith("0 ")) or "nothing"


def subject_of(deployment_id: str) -> str:
    """What the events of a deployment are told of."""
    return f"deployment:{deployment_id}"


def rest_told(event: Event) -> datetime | None:
    """Until when a deployment was to rest, as an event tells; None: it tells of something else."""
    return datetime.fromisoformat(event.payload["until"]) if event.type == RESTING else None


def _telling(
    type_: str,
    deployment_id: str,
    payload: dict[str, Any],
    now: datetime,
    *,
    mark: str | None = None,
    until: datetime | None = None,
) -> Telling:
    event = Event(
        id=new_id(EVENT_PREFIX),
        subject=subject_of(deployment_id),
        type=type_,
        payload=payload,
        created_at=now,
    )
    return Telling(event=event, name=type_, mark=mark, until=until)
