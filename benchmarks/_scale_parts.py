"""What a simulation of many batches is made of: its shape and outcome, cores, a deployment's jobs."""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TypeAlias

import msgspec

from litebatch_asgi.lifecycle import grid_point

FLOOR_SECONDS = 5.0
"""between two looks at a job at OpenAI"""
TOGETHER_SECONDS = 0.25
"""of what clients wish, which is looked at together: for the time that a simulation takes"""

Jobs: TypeAlias = list[tuple[int, float]]
"""how many, and when they were looked at last"""


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """What is simulated; times are in seconds."""

    batches: int = 1_000_000
    """that run, of one job each"""
    deployments: int = 100
    replicas: int = 20
    """that look after batches"""
    interval: float = 60.0
    """`max_poll_seconds`"""
    call_seconds: float = 0.3
    """that a provider takes to answer"""
    ended: float = 0.5
    """batches in a provider's list that have ended, for each one that runs"""
    progressing: float = 0.5
    """the part of the jobs of which each look shows other counts"""
    ask_seconds: float = 600.0
    """between two questions of clients about one batch"""
    refresh_seconds: float = 10.0
    """`refresh_after_seconds`: how old the last look must be for a question to want another one"""
    database_cores: int = 16
    is_due_cheap: bool = False
    """as if asking what is due cost nothing more for jobs that are claimed"""
    is_alone: bool = False
    """as if the replica that comes first took all jobs of a deployment that are due, and no other any"""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What it comes to, in a second where nothing else is said."""

    database_calls: float
    database_cores: float
    """that are busy"""
    due_cores: float
    """of these, by asking what is due"""
    provider_calls: float
    """of all deployments together"""
    lists: float
    """times that a deployment's list is read in an interval"""
    replica_cores: float
    """of the busiest replica"""
    gap_median: float
    """seconds between two looks at a job"""
    gap_p99: float


class Cores:
    """So many, which serve who comes first."""

    def __init__(self, number: int) -> None:
        self._free = [0.0] * number
        self.busy = 0.0

    def run(self, now: float, seconds: float) -> float:
        """When something that comes now and takes so long is done."""
        done = max(now, heapq.heappop(self._free)) + seconds
        heapq.heappush(self._free, done)
        self.busy += seconds
        return done


class Deployment:
    """The jobs of one, by when they were looked at last, to the second."""

    def __init__(self, number: int, jobs: int, interval: float) -> None:
        self.claimed = 0
        self._phase = interval * ((number * 0.618034) % 1)
        self._interval = interval
        self._due: Counter[int] = Counter()
        self._later: dict[float, Counter[int]] = {}
        self._asked_at = 0.0
        self._owed = 0.0
        first = self._next(0.0)
        self._later[first] = Counter({math.floor(first - interval): jobs})

    def _next(self, now: float) -> float:
        """When what is looked at now is due again."""
        moment = datetime.fromtimestamp(now, UTC)
        due = grid_point(moment, floor=FLOOR_SECONDS, interval=self._interval, phase=self._phase)
        return round(due.timestamp(), 3)

    def put(self, jobs: Jobs, now: float) -> None:
        """These are looked at now."""
        self._later.setdefault(self._next(now), Counter())[math.floor(now)] += size(jobs)

    @property
    def unclaimed(self) -> int:
        """Jobs that nobody has claimed."""
        return self._due.total() + sum(later.total() for later in self._later.values())

    def is_due(self, now: float) -> bool:
        """Whether some are."""
        for due in [due for due in self._later if due <= now]:
            self._due += self._later.pop(due)
        return bool(self._due)

    def take(self, now: float, limit: int) -> Jobs:
        """As many of those that are due."""
        return _taken(self._due, limit) if self.is_due(now) else []

    def wish(self, now: float, rate: float, refresh: float) -> None:
        """Clients ask for so many jobs a second; those looked at longer ago are due at once."""
        asked = now - self._asked_at
        if asked < TOGETHER_SECONDS:
            return
        self._asked_at = now
        for later in self._later.values():
            old = Counter({looked: jobs for looked, jobs in later.items() if looked <= now - refresh})
            self._owed += rate * asked * old.total()
            wished = min(int(self._owed), old.total())
            self._owed -= wished
            for jobs, looked in _taken(old, wished):
                later[int(looked)] -= jobs
                self._due[int(looked)] += jobs


def size(jobs: Jobs) -> int:
    """How many these are."""
    return sum(some for some, _ in jobs)


def parts(size: int, most: int) -> Iterator[int]:
    """So many in parts of at most so many."""
    for start in range(0, size, most):
        yield min(most, size - start)


def _taken(some: Counter[int], limit: int) -> Jobs:
    """Take so many of these off, the ones that were looked at first before others."""
    taken: Jobs = []
    for looked in sorted(some):
        part = min(some[looked], limit)
        limit -= part
        some[looked] -= part
        if not some[looked]:
            del some[looked]
        if part:
            taken.append((part, float(looked)))
        if not limit:
            break
    return taken


def split(jobs: Jobs, size: int) -> Jobs:
    """Take so many off."""
    taken: Jobs = []
    while size > 0:
        some, looked = jobs.pop()
        part = min(some, size)
        if some > part:
            jobs.append((some - part, looked))
        taken.append((part, looked))
        size -= part
    return taken
