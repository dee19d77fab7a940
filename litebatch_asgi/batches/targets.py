"""Targets: which deployment a job goes to, and with which copy of its input."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

import msgspec
from msgspec.structs import replace

from litebatch_asgi.copy_lifecycle import is_usable
from litebatch_asgi.files.renewing import renew_copies
from litebatch_asgi.fleet import Fleet
from litebatch_asgi.lifecycle import poll_delay
from litebatch_asgi.models import Deployment, FileState, Job, JobState
from litebatch_asgi.rescue import lineage
from litebatch_asgi.runtime import Runtime
from litebatch_asgi.strategies import Candidate

_WITHOUT_RESULT = frozenset({JobState.REFUSED, JobState.WATCHED, JobState.CLOSED})


def copies_for(file: FileState, job: Job) -> FileState:
    """The input with those of its copies that this job can run on: those of its shard."""
    return of_shard(file, job.shard)


def of_shard(file: FileState, shard: int) -> FileState:
    """The input with the copies of one shard alone."""
    return replace(file, copies=file.copies_of(shard))


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """Where a job goes."""

    deployment_id: str
    provider_file_id: str


class NoRoom(msgspec.Struct, frozen=True, kw_only=True):
    """Why a deployment is not asked: the tokens of a job do not fit beside those that are open there."""

    limit: int
    """tokens that it takes at once"""
    used: int
    """tokens that are open there"""


class Tries(msgspec.Struct, frozen=True, kw_only=True):
    """The deployments that a shard was at before, and when it may go there again."""

    again_at: Mapping[str, datetime] = {}
    """by deployment id; one that is not here was not tried"""
    full: Mapping[str, NoRoom] = {}
    """by deployment id, those that have no room for the tokens of the shard"""
    left: frozenset[str] = frozenset()
    """deployments that it may not go to"""
    closed: frozenset[str] = frozenset()
    """those whose lane is not for it, or not yet"""
    preferred: frozenset[str] = frozenset()
    """those that come before all others that may be asked now; empty: none does"""

    @classmethod
    def of(cls, jobs: Collection[Job], job: Job, *, floor: float, ceiling: float) -> Tries:
        """What the ended attempts before `job` say. Each full round makes the pause longer.

        The pause grows from `floor` to `ceiling`, both in seconds.
        """
        last: dict[str, datetime] = {}
        for each in jobs:
            began, where = each.submit_started_at, each.deployment_id
            if each.shard != job.shard or each.state not in _WITHOUT_RESULT or where is None or began is None:
                continue
            last[where] = max(began, last.get(where, began))
        rounds = (job.attempt - 1) // max(1, len(last))
        pause = timedelta(seconds=poll_delay(max(0, rounds - 1), floor=floor, ceiling=ceiling, chance=0))
        moved = (each.deployment_id for each in lineage(jobs, job) if each.is_moved)
        return cls(
            again_at={where: began + pause for where, began in last.items()},
            left=frozenset(where for where in moved if where is not None),
        )

    def not_before(self, deployment_id: str, moment: datetime) -> Tries:
        """The same, with one of the deployments put off."""
        return replace(self, again_at={**self.again_at, deployment_id: moment})

    def away_from(self, deployment_ids: Collection[str]) -> Tries:
        """The same, without these deployments."""
        return replace(self, left=self.left.union(deployment_ids))

    def closed_to(self, deployment_ids: Collection[str]) -> Tries:
        """The same, without these deployments for their lane."""
        return replace(self, closed=self.closed.union(deployment_ids))

    def preferring(self, deployment_ids: Collection[str]) -> Tries:
        """The same, with these before all others."""
        return replace(self, preferred=frozenset(deployment_ids))

    def without_room(self, full: Mapping[str, NoRoom], moment: datetime) -> Tries:
        """The same, with these put off until `moment` at the least."""
        put_off = {where: max(moment, self.again_at.get(where, moment)) for where in full}
        return replace(self, again_at={**self.again_at, **put_off}, full=full)

    def first(self, ids: Collection[str], now: datetime) -> list[str]:
        """Those of the deployments that come first: untried ones, else those whose pause is over."""
        untried = [id_ for id_ in ids if id_ not in self.again_at]
        found = untried or [id_ for id_ in ids if self.again_at[id_] <= now]
        return [id_ for id_ in found if id_ in self.preferred] or found


async def choose(
    runtime: Runtime,
    file: FileState,
    model: str,
    *,
    requests: int,
    until: datetime,
    seed: str,
    tries: Tries | None = None,
) -> Target | None:
    """The best deployment for the requests that has a usable copy and is not cooling down; None: none has.

    Where all are live, one that is will do if it answers: perhaps it refuses all that it has, and not these.
    One that the shard has not tried yet comes before all others; the others after a pause. Copies that would
    serve if they were sent anew are sent anew.
    """
    await renew_copies(runtime, file, model, until)
    copies = usable_copies(runtime.fleet, file, model, until)
    tries = tries or Tries()
    deployments = open_deployments(runtime, model, tries)
    usable = [id_ for id_ in deployments if id_ in copies]
    ids = tries.first(_awake(runtime.fleet, usable), runtime.now())
    if not ids:
        return None
    first, *_ = await ranked(runtime, {id_: deployments[id_] for id_ in ids}, requests=requests, seed=seed)
    return Target(deployment_id=first, provider_file_id=copies[first])


def _awake(fleet: Fleet, ids: Collection[str]) -> list[str]:
    """Those that do not rest, else those that may be given something all the same."""
    awake = [id_ for id_ in ids if not fleet.cooldown_left(id_)]
    if awake or not all(map(fleet.is_live, ids)):
        return awake
    return [id_ for id_ in ids if fleet.answers_at_rest(id_)]


async def ranked(
    runtime: Runtime, deployments: Mapping[str, Deployment], *, requests: int, seed: str
) -> list[str]:
    """The ids of deployments in the order in which they are to be tried with so many requests."""
    is_choice = len(deployments) > 1
    load = await runtime.storage.open_requests() if is_choice else {}
    paces: Mapping[str, float] = await runtime.paces.of(deployments) if is_choice else {}
    candidates = [
        Candidate(
            deployment_id=id_,
            weight=deployment.weight,
            open_requests=load.get(id_, 0) + runtime.fleet.being_placed(id_),
            requests=requests,
            requests_per_second=paces.get(id_),
        )
        for id_, deployment in deployments.items()
    ]
    return [each.deployment_id for each in runtime.strategy(candidates, seed=seed)]


def next_chance(
    runtime: Runtime, file: FileState, model: str, *, until: datetime, tries: Tries
) -> datetime | None:
    """When the first of the deployments with a usable copy may be asked; None: there is none."""
    return min(chances(runtime, file, model, until=until, tries=tries).values(), default=None)


def chances(
    runtime: Runtime, file: FileState, model: str, *, until: datetime, tries: Tries
) -> Mapping[str, datetime]:
    """When each of the deployments with a usable copy may be asked."""
    now = runtime.now()
    copies = usable_copies(runtime.fleet, file, model, until)
    return {
        id_: max(now + timedelta(seconds=runtime.fleet.cooldown_left(id_)), tries.again_at.get(id_, now))
        for id_ in open_deployments(runtime, model, tries)
        if id_ in copies
    }


def open_deployments(runtime: Runtime, model: str, tries: Tries) -> Mapping[str, Deployment]:
    """Those that serve the virtual model, less those that the job may not go to now."""
    closed = runtime.presence.drained | tries.left | tries.closed
    return {id_: each for id_, each in runtime.fleet.deployments_for(model).items() if id_ not in closed}


def usable_copies(fleet: Fleet, file: FileState, model: str, until: datetime) -> Mapping[str, str]:
    """Provider file ids by deployment, of the copies on which a batch of the virtual model can be created."""
    served = fleet.deployments_for(model)
    return {
        copy.deployment_id: copy.provider_file_id
        for copy in file.copies
        if copy.deployment_id in served and copy.provider_file_id is not None
        if is_usable(copy, model=fleet.upstream_model(copy.deployment_id, model), until=until)
    }
