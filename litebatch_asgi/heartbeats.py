"""The seam to where processes say which deployments they are configured with, and operators which to drain.

A deployment that rows name may be missing from one process's configuration and be served by another. Whether
it is gone is therefore told by what all processes on the database say, never by one configuration. Each
sentence of the docstrings is held by a test of `litebatch_asgi.testing.conformance.StorageConformance`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol, TypeAlias

import msgspec

from litebatch_asgi.models.settings import HEARTBEATS_KEPT_SECONDS

KEPT = timedelta(seconds=HEARTBEATS_KEPT_SECONDS)
"""How long the heartbeat of a process that beats no more is remembered."""

Served: TypeAlias = Mapping[str, Sequence[str]]
"""By deployment, the names of its virtual models as they are configured, with `*` where they have one."""


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True):
    """What one process says of itself."""

    worker: str
    deployments: dict[str, tuple[str, ...]]
    """by deployment, the names of its virtual models as they are configured"""
    since: datetime
    """from when on there has always been a process whose heartbeat had not lapsed"""
    seen_at: datetime


class DeploymentUse(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept at a deployment, or still to be done there."""

    deployment_id: str
    open_jobs: int
    """jobs that somebody has to look at again"""
    copies: int
    """copies that are not deleted, and deleted ones that somebody has to look at again"""
    last_seen: datetime | None
    """when a heartbeat named it last; None: none that is remembered does"""


class HeartbeatStore(Protocol):
    """Keeps the heartbeats of the processes on one database; times are by the database's clock.

    Every method may raise `StorageUnavailable`, and does when the storage is not open.
    """

    async def beat(self, worker: str, deployments: Served, *, lapse_seconds: float) -> None:
        """Say that a process lives, and with which deployments.

        Its `since` stays while it beats at least every `lapse_seconds`. One that beats for the first time,
        or anew after a longer silence, takes over the earliest `since` of those that have beaten within
        `lapse_seconds`, itself not among them; else it begins now. Forgets heartbeats older than `KEPT`.
        """
        ...

    async def in_use(self) -> list[DeploymentUse]:
        """Every deployment that open jobs or copies name, in order of their ids."""
        ...

    async def gone(self, seconds: float, *, lapse_seconds: float) -> list[str]:
        """The deployments in use that no heartbeat has named for so many seconds, in order of their ids.

        None where heartbeats lapsed in that time (that nobody named a deployment says nothing then): some
        process must have beaten within `lapse_seconds`, with a `since` that is at least so many seconds ago.
        None either for more seconds than `KEPT`.
        """
        ...

    async def served(self, seconds: float) -> dict[str, frozenset[str]]:
        """What heartbeats of the last so many seconds name: by deployment, its virtual models."""
        ...

    async def drain(self, deployment_id: str) -> None:
        """Keep new jobs away from a deployment from now on; one that is drained stays so since it was."""
        ...

    async def undrain(self, deployment_id: str) -> bool:
        """Let jobs go to it again; whether it was drained."""
        ...

    async def drained(self) -> dict[str, datetime]:
        """Since when deployments are drained, in order of their ids."""
        ...


def since_of(beats: Iterable[Heartbeat], worker: str, now: datetime, lapse: timedelta) -> datetime:
    """The `since` of a heartbeat of `worker` at `now`, beside those there are."""
    live = [beat for beat in beats if beat.seen_at >= now - lapse]
    own = [beat.since for beat in live if beat.worker == worker]
    return min(own or [beat.since for beat in live], default=now)


def last_seen(beats: Iterable[Heartbeat], deployment_id: str) -> datetime | None:
    """When a heartbeat named the deployment last."""
    return max((beat.seen_at for beat in beats if deployment_id in beat.deployments), default=None)


def gone_of(
    in_use: Iterable[str], beats: Sequence[Heartbeat], now: datetime, *, grace: timedelta, lapse: timedelta
) -> list[str]:
    """Which of the deployments in use are gone, as `HeartbeatStore.gone` says."""
    if grace > KEPT or not any(beat.seen_at >= now - lapse and beat.since <= now - grace for beat in beats):
        return []
    named = {id_ for beat in beats if beat.seen_at > now - grace for id_ in beat.deployments}
    return sorted(set(in_use) - named)


def served_by(beats: Iterable[Heartbeat], since: datetime) -> dict[str, frozenset[str]]:
    """What heartbeats that are not older than `since` name."""
    served: dict[str, frozenset[str]] = {}
    for beat in beats:
        if beat.seen_at >= since:
            for deployment_id, models in beat.deployments.items():
                served[deployment_id] = served.get(deployment_id, frozenset[str]()) | set(models)
    return served


def matches(name: str, model: str) -> bool:
    """Whether a virtual model is one of those that a name in a heartbeat stands for."""
    return name == model or (name.endswith("*") and model.startswith(name[:-1]))
