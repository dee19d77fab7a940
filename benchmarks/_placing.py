"""A model of how the gateway places jobs, with the project's own strategies, tries and records of jobs.

Each replica rests deployments that refuse, and reads the records anew after a while. What is open, and the
limits that refusals name, all replicas know from the database. That a job has ended they know from a look.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial

from benchmarks._providers import Provider, World
from litebatch_asgi.batches.quotas import LAPSE_SECONDS
from litebatch_asgi.batches.targets import NoRoom, Tries
from litebatch_asgi.jobs import DeploymentRecord, EndedJob, record_of
from litebatch_asgi.lifecycle import poll_delay
from litebatch_asgi.models import Counts, JobState, Outcome
from litebatch_asgi.strategies import Candidate, PlacementStrategy
from litebatch_asgi.throughput import LAST_JOBS, requests_per_second

FLOOR, CEILING = 5.0, 60.0
"""seconds between looks, as by default"""
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def _looks() -> list[float]:
    """When a job is looked at, in seconds since it was sent."""
    delays = (poll_delay(n, floor=FLOOR, ceiling=CEILING, chance=0.5) for n in range(20_000))
    return list(itertools.accumulate(delays))


LOOKS = _looks()


@dataclass
class Batch:
    """What a client has sent."""

    number: int
    owner: int
    requests: int
    at: float
    left: int = field(init=False)
    """requests without a result"""
    waited: float = field(default=-1.0, init=False)
    """seconds until it was sent on to the first deployment that ran any of it"""
    seconds: float = field(default=0.0, init=False)
    """until all of its results are there"""

    def __post_init__(self) -> None:
        self.left = self.requests


@dataclass
class Job:
    """Lines of a batch on their way to a deployment."""

    id: str
    batch: Batch
    requests: int
    left: frozenset[str] = frozenset()
    tried: dict[str, float] = field(default_factory=dict[str, float])
    attempt: int = 1
    checks: int = 0


class Replica:
    """What one process of the gateway knows alone."""

    def __init__(self) -> None:
        self.cooldowns: dict[str, tuple[float, float]] = {}
        self.paces: Mapping[str, float] = {}
        self.paces_at = float("-inf")

    def cool_down(self, where: str, now: float) -> None:
        """As `Fleet.cool_down` does without a `retry-after`."""
        _, before = self.cooldowns.get(where, (0.0, 0.0))
        seconds = min(max(FLOOR, 2 * before), CEILING)
        self.cooldowns[where] = (now + seconds, seconds)

    def rests_until(self, where: str) -> float:
        """When something may be placed there again."""
        return self.cooldowns.get(where, (0.0, 0.0))[0]


class Gateway:
    """Places batches on providers."""

    def __init__(
        self,
        world: World,
        providers: Mapping[str, Provider],
        weights: Mapping[str, float],
        strategy: PlacementStrategy,
        *,
        replicas: int,
    ) -> None:
        self._world = world
        self._providers = providers
        self._weights = weights
        self._strategy = strategy
        self._replicas = itertools.cycle([Replica() for _ in range(replicas)])
        self._open = dict.fromkeys(providers, 0)
        self._limits: dict[str, tuple[int, float]] = {}
        self._ended: dict[str, list[EndedJob]] = {where: [] for where in providers}
        self._settled = set[str]()
        """where jobs have ended since their records were made"""
        self._records: dict[str, DeploymentRecord] = {}
        self.through = 0
        self.refusals = 0
        self.calls = 0

    def create(self, batch: Batch) -> None:
        """A client has sent a batch."""
        self._place(Job(str(batch.number), batch, batch.requests))

    def _place(self, job: Job) -> None:
        now, replica = self._world.now, next(self._replicas)
        tries = self._tries(job)
        may = [where for where in self._providers if where not in tries.left]
        ids = tries.first([where for where in may if replica.rests_until(where) <= now], _time(now))
        if not ids:
            again = {where: (tries.again_at[where] - BEGAN).total_seconds() for where in tries.again_at}
            chances = (max(replica.rests_until(where), again.get(where, now)) for where in may)
            job.checks += 1
            self._world.at(max(min(chances), now + 0.1), partial(self._place, job))
            return
        paces = self._paces(replica)
        candidates = [
            Candidate(
                deployment_id=where,
                weight=self._weights[where],
                open_requests=self._open[where],
                requests=job.requests,
                requests_per_second=paces.get(where),
            )
            for where in ids
        ]
        where = self._strategy(candidates, seed=job.id)[0].deployment_id
        self._send(job, where, replica)

    def _tries(self, job: Job) -> Tries:
        """As `Tries.of` and `Quotas.put_off` have them."""
        now = self._world.now
        rounds = (job.attempt - 1) // max(1, len(job.tried))
        pause = poll_delay(max(0, rounds - 1), floor=FLOOR, ceiling=CEILING, chance=0)
        again = {where: _time(began + pause) for where, began in job.tried.items()}
        full = {
            where: NoRoom(limit=limit, used=self._open[where])
            for where, (limit, learned_at) in self._limits.items()
            if now - learned_at < LAPSE_SECONDS and self._open[where]
            if self._open[where] + job.requests > limit
        }
        look = poll_delay(job.checks, floor=FLOOR, ceiling=CEILING, chance=0.5)
        return Tries(again_at=again, left=job.left).without_room(full, _time(now + look))

    def _paces(self, replica: Replica) -> Mapping[str, float]:
        if self._world.now - replica.paces_at >= CEILING:
            replica.paces_at = self._world.now
            for where in self._settled:
                self._records[where] = record_of(self._ended[where][-LAST_JOBS:])
            self._settled.clear()
            replica.paces = requests_per_second(self._records, _time(self._world.now))
        return replica.paces

    def _send(self, job: Job, where: str, replica: Replica) -> None:
        began = self._world.now
        self.calls += 1
        ended = partial(self._after, began, partial(self._seen, job, where, replica, began))
        self._open[where] += job.requests
        job.checks = 0
        if self._providers[where].create(job.requests, ended):
            replica.cooldowns.pop(where, None)
        else:
            self._open[where] -= job.requests
            self._refused(job, where, replica, began)

    def _after(self, began: float, seen: Callable[[int | None], None], done: int | None) -> None:
        """Something is so since now: it is seen at the next look."""
        looks = bisect.bisect_left(LOOKS, self._world.now - began)
        self.calls += looks + 1
        self._world.at(began + LOOKS[looks], partial(seen, done))

    def _seen(self, job: Job, where: str, replica: Replica, began: float, done: int | None) -> None:
        self._open[where] -= job.requests
        if done is None:
            self._limits[where] = (self._providers[where].kind.limit, self._world.now)
            self._refused(job, where, replica, began)
            return
        limit, _ = self._limits.get(where, (job.requests, 0.0))
        if limit < job.requests:
            del self._limits[where]
        self._settled.add(where)
        counts = Counts(total=done, completed=done)
        rest = job.requests - done
        self._ended[where].append(
            EndedJob(
                state=JobState.SETTLED,
                submit_started_at=_time(began),
                ended_at=_time(self._world.now),
                is_cut_short=False,
                outcome=Outcome(counts=counts, executed=done, handed_on=rest),
            )
        )
        batch = job.batch
        if batch.waited < 0:
            batch.waited = began - batch.at
        batch.left -= done
        if rest:
            left = job.left | {where}
            left = left if len(left) < len(self._providers) else frozenset[str]()
            self._place(Job(f"{job.id}+", batch, rest, left=left))
        if not batch.left:
            batch.seconds = self._world.now - batch.at
            self.through += 1

    def _refused(self, job: Job, where: str, replica: Replica, began: float) -> None:
        self.refusals += 1
        replica.cool_down(where, self._world.now)
        job.tried[where] = began
        job.attempt += 1
        self._place(job)


def _time(seconds: float) -> datetime:
    return BEGAN + timedelta(seconds=seconds)
