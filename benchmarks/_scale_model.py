"""How replicas look after running batches, as events in simulated time. Pure: chance comes from a seed.

Each replica's loop asks what is due, claims it, and reads providers' lists or asks for single batches, as
`reconciler` and `batches.rounds` do, with their limits; when a job is due again is `lifecycle.grid_point`.
The database has so many cores and each replica one: who comes first is served first.

It leaves out what begins and ends batches, and takes the clients' questions for evenly spread. All jobs have
been looked at for long enough to be looked at every `interval`.
"""

from __future__ import annotations

import heapq
import math
import random
from collections import Counter, defaultdict
from collections.abc import Generator
from itertools import count
from typing import TypeAlias

from benchmarks._scale_costs import JOBS_EACH, Cost, Costs
from benchmarks._scale_parts import Cores, Deployment, Jobs, Outcome, Shape, parts, size, split
from litebatch_asgi.batches.rounds import LIST_FROM, NEWS_AT_ONCE, PAGE, ROWS_AT_ONCE, SINGLY
from litebatch_asgi.reconciler import LONGEST_PAUSE, LONGEST_ROUND, LOOKS_AT_ONCE

LEASE_SECONDS = 60.0
_TRIP_SECONDS = 0.003
"""of an operation, on the network"""
_PAGES_A_STEP = 10

Step: TypeAlias = Generator[float, float, float]
"""Yields the moment at which it goes on, and is sent it; returns the moment of its end."""


class Simulation:
    """One run of it."""

    def __init__(self, shape: Shape, costs: Costs, seed: int = 1) -> None:
        self._shape, self._costs, self._random = shape, costs, random.Random(seed)
        self._jobs_each = shape.batches // shape.deployments
        self._deployments = [
            Deployment(number, self._jobs_each, shape.interval) for number in range(shape.deployments)
        ]
        self._database = Cores(shape.database_cores)
        self._replicas = [Cores(1) for _ in range(shape.replicas)]
        self._rounds: set[tuple[int, int]] = set()
        self._singly: Counter[tuple[int, int]] = Counter()
        self._events: list[tuple[float, int, Step]] = []
        self._claimed = 0
        self._numbers = count()
        self._since = 0.0
        self._calls: Counter[str] = Counter()
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._gaps: list[tuple[float, int]] = []

    def run(self, intervals: int = 2, before: int = 2) -> Outcome:
        """Simulate so many intervals, after some that do not count."""
        for replica in range(self._shape.replicas):
            self._start(self._loop(replica, self._random.random()))
        self._until(before * self._shape.interval)
        self._since = before * self._shape.interval
        self._calls.clear()
        self._seconds.clear()
        self._gaps.clear()
        for cores in self._replicas:
            cores.busy = 0.0
        self._until((before + intervals) * self._shape.interval)
        return self._outcome(intervals * self._shape.interval)

    def kept(self) -> int:
        """The jobs that there are now, claimed or not."""
        return sum(each.claimed + each.unclaimed for each in self._deployments)

    def _outcome(self, seconds: float) -> Outcome:
        read = self._costs.read.database / 1000
        reads = self._shape.batches / self._shape.ask_seconds
        database = sum(self._seconds.values()) / seconds
        operations = sum(count for name, count in self._calls.items() if name not in ("call", "list"))
        return Outcome(
            database_calls=operations / seconds + reads,
            database_cores=database + reads * read,
            due_cores=self._seconds["due"] / seconds,
            provider_calls=self._calls["call"] / seconds,
            lists=self._calls["list"] / self._shape.deployments / (seconds / self._shape.interval),
            replica_cores=max(cores.busy for cores in self._replicas) / seconds,
            gap_median=_quantile(self._gaps, 0.5),
            gap_p99=_quantile(self._gaps, 0.99),
        )

    def _start(self, step: Step) -> None:
        self._go_on(step, None)

    def _go_on(self, step: Step, now: float | None) -> None:
        try:
            then = next(step) if now is None else step.send(now)
        except StopIteration:
            return
        heapq.heappush(self._events, (then, next(self._numbers), step))

    def _until(self, end: float) -> None:
        while self._events[0][0] <= end:
            now, _, step = heapq.heappop(self._events)
            self._go_on(step, now)

    def _operation(self, replica: int, now: float, name: str, cost: Cost, share: float = 1.0) -> Step:
        """One on the database, by a replica; `share`: how many times its cost."""
        self._calls[name] += 1
        self._seconds[name] += share * cost.database / 1000
        now = yield self._database.run(now, share * cost.database / 1000)
        return (yield self._replicas[replica].run(now + _TRIP_SECONDS, share * cost.own / 1000))

    def _loop(self, replica: int, now: float) -> Step:
        """What `Reconciler.run` does with running jobs."""
        now = yield now
        while True:
            now = yield from self._due(replica, now)
            claimed: dict[int, Jobs] = {}
            room = self._room(replica, now)
            while room:
                taken = {number: self._deployments[number].take(now, most) for number, most in room.items()}
                jobs = sum(size(each) for each in taken.values())
                for number, each in taken.items():
                    claimed.setdefault(number, []).extend(each)
                    self._deployments[number].claimed += size(each)
                self._claimed += jobs
                now = yield from self._operation(
                    replica, now, "claim", self._costs.claim, max(0.02, jobs / LOOKS_AT_ONCE)
                )
                room = {
                    number: LOOKS_AT_ONCE
                    for number, each in taken.items()
                    if size(each) == LOOKS_AT_ONCE and size(claimed[number]) < LONGEST_ROUND
                }
            for number, each in claimed.items():
                self._look(replica, number, each, now)
            if not any(map(size, claimed.values())):
                now = yield now + LONGEST_PAUSE * self._random.uniform(0.5, 1.0)

    def _due(self, replica: int, now: float) -> Step:
        now = yield from self._operation(replica, now, "due", self._costs.due)
        if not self._shape.is_due_cheap:
            self._calls["due"] -= 1
            claimed = self._claimed / JOBS_EACH
            now = yield from self._operation(replica, now, "due", self._costs.due_beside_round, claimed)
        return now

    def _room(self, replica: int, now: float) -> dict[int, int]:
        """How many jobs a claim may take, by deployments with some that are due."""
        room: dict[int, int] = {}
        rate = 1 / self._shape.ask_seconds
        for number, deployment in enumerate(self._deployments):
            deployment.wish(now, rate, self._shape.refresh_seconds)
            if not deployment.is_due(now):
                continue
            free = SINGLY - self._singly[replica, number]
            if self._shape.is_alone and deployment.claimed > free:
                continue
            most = LOOKS_AT_ONCE if free > 0 and (replica, number) not in self._rounds else free
            if most > 0:
                room[number] = most
        return room

    def _look(self, replica: int, number: int, jobs: Jobs, now: float) -> None:
        whole = size(jobs)
        if whole >= LIST_FROM and (replica, number) not in self._rounds:
            self._rounds.add((replica, number))
            self._start(self._round(replica, number, jobs, now))
        elif whole:
            self._singly[replica, number] += whole
            self._start(self._one_by_one(replica, number, jobs, now, is_beside=True))

    def _round(self, replica: int, number: int, jobs: Jobs, now: float) -> Step:
        """What `LookRounds.run` does: a list is read until it has shown all, or single looks cost less."""
        whole = size(jobs)
        listed = self._jobs_each * (1 + self._shape.ended)
        needed = math.ceil(listed * whole / (whole + 1) / PAGE)
        pages = min(needed, whole)
        self._calls["list"] += 1
        renew_at = now + LEASE_SECONDS / 3
        for read in range(0, pages, _PAGES_A_STEP):
            some = min(_PAGES_A_STEP, pages - read)
            self._calls["call"] += some
            now = yield now + some * self._shape.call_seconds
            now = yield self._replicas[replica].run(now, some * self._costs.page.own / 1000)
            if now >= renew_at:
                for held in parts(whole, ROWS_AT_ONCE):
                    now = yield from self._operation(
                        replica, now, "renew", self._costs.renew, held / ROWS_AT_ONCE
                    )
                renew_at = now + LEASE_SECONDS / 3
        found = whole * pages // needed
        news = round(found * self._shape.progressing)
        for some in parts(found - news, ROWS_AT_ONCE):
            now = yield from self._operation(
                replica, now, "postpone", self._costs.postpone, some / ROWS_AT_ONCE
            )
            self._give_back(number, split(jobs, some), now)
        for some in parts(news, NEWS_AT_ONCE):
            now = yield from self._operation(replica, now, "note", self._costs.note, some / NEWS_AT_ONCE)
            self._give_back(number, split(jobs, some), now)
        if found < whole:
            now = yield from self._one_by_one(replica, number, jobs, now)
        self._rounds.discard((replica, number))
        return now

    def _one_by_one(
        self, replica: int, number: int, jobs: Jobs, now: float, *, is_beside: bool = False
    ) -> Step:
        for some in parts(size(jobs), SINGLY):
            self._calls["call"] += some
            now = yield now + self._shape.call_seconds
            self._calls["single"] += some - 1
            now = yield from self._operation(replica, now, "single", self._costs.single, some)
            self._give_back(number, split(jobs, some), now)
            if is_beside:
                self._singly[replica, number] -= some
        return now

    def _give_back(self, number: int, jobs: Jobs, now: float) -> None:
        deployment = self._deployments[number]
        for some, looked in jobs:
            self._gaps.append((now - looked, some))
        deployment.claimed -= size(jobs)
        self._claimed -= size(jobs)
        deployment.put(jobs, now)


def _quantile(gaps: list[tuple[float, int]], part: float) -> float:
    """Of all jobs; infinite where none was looked at."""
    left = part * sum(jobs for _, jobs in gaps)
    for gap, jobs in sorted(gaps):
        left -= jobs
        if left <= 0:
            return gap
    return math.inf
