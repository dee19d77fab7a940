"""A model of providers that run batches, in simulated time: seconds from 0.

A provider gets through so many requests a second, which its running batches share evenly; each of them begins
after a while of validation. It refuses what does not fit into its limit of enqueued requests, now and then
anything, and everything while it is away. Its pace drifts, and some of its batches die half done.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

VALIDATION_SECONDS = 20.0
REFUSED_ANYWAY = 0.02
"""of creates, with 429 or 503"""
DYING = 0.01
"""of batches"""
OUTAGE_EVERY_SECONDS = 24 * 3600.0
OUTAGE_SECONDS = 1200.0
DRIFT_SECONDS = 3600.0
"""between two changes of the pace"""
DRIFT = 0.3
"""standard deviation of the pace's logarithm"""
SLOW, SLOW_FACTOR = 0.04, 0.25
"""how often the pace of the next while is that much less"""
MEAN_FACTOR = (1 - SLOW) + SLOW * SLOW_FACTOR


class World:
    """Simulated time: what is to happen, in order."""

    def __init__(self) -> None:
        self.now = 0.0
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._number = itertools.count()

    def at(self, moment: float, call: Callable[[], None]) -> None:
        """Have something happen."""
        heapq.heappush(self._due, (max(moment, self.now), next(self._number), call))

    def run(self, is_over: Callable[[], bool]) -> None:
        """Let time pass until it is over."""
        while self._due and not is_over():
            self.now, _, call = heapq.heappop(self._due)
            call()


class Kind(NamedTuple):
    """What a provider is like."""

    pace: float
    """requests a second, of all its batches together, on average"""
    limit: int
    """requests that it has enqueued at once"""


class Discipline(NamedTuple):
    """How running batches share a provider's pace."""

    slots: int
    """batches that run at once; the others wait their turn"""
    most: float
    """of the provider's pace, what one batch can have"""


DISCIPLINES = {
    "shared": Discipline(slots=1_000_000, most=1.0),
    "queue": Discipline(slots=1, most=1.0),
    "apart": Discipline(slots=1_000_000, most=1 / 8),
}


@dataclass(eq=False)
class Run:
    """A batch at a provider. `ended` is called with the requests that were done, or None: it was refused."""

    requests: int
    ended: Callable[[int | None], None]
    done: int | None = None
    ends_at: float = field(default=0.0, init=False)
    """by the provider's own count of requests for each running batch"""


class Provider:
    """One deployment."""

    def __init__(self, world: World, kind: Kind, discipline: Discipline, seed: str) -> None:
        self._world = world
        self.kind = kind
        self._discipline = discipline
        self._chance = random.Random(f"{seed} weather")  # the same, whatever comes to it
        self._fates = random.Random(f"{seed} fates")
        self._factor = 1.0
        self.is_away = False
        self._enqueued = 0
        self._waiting = deque[Run]()
        self._running: list[tuple[float, int, Run]] = []
        self._number = itertools.count()
        self._count = 0.0
        """of requests that a batch would have had done if it had run since the beginning"""
        self._counted_at = 0.0
        self._version = 0
        self._drift()
        world.at(self._chance.expovariate(1 / OUTAGE_EVERY_SECONDS), self._leave)

    def create(self, requests: int, ended: Callable[[int | None], None]) -> bool:
        """Take a batch; False: refused. One that does not fit is taken, and refused by its validation."""
        dice, fate, part = (self._fates.random() for _ in range(3))
        if self.is_away or dice < REFUSED_ANYWAY:
            return False
        run = Run(requests, ended)
        run.done = int(part * requests) if fate < DYING else requests
        self._world.at(self._world.now + VALIDATION_SECONDS, lambda: self._validated(run))
        return True

    def _validated(self, run: Run) -> None:
        if self._enqueued + run.requests > self.kind.limit:
            run.ended(None)
            return
        self._enqueued += run.requests
        self._waiting.append(run)
        self._go_on()

    @property
    def _rate(self) -> float:
        if not self._running or self.is_away:
            return 0.0
        return self.kind.pace * self._factor * min(self._discipline.most, 1 / len(self._running))

    def _go_on(self) -> None:
        """Begin what can begin, and see when the next one ends; to be called after every change."""
        self._catch_up()
        while self._waiting and len(self._running) < self._discipline.slots:
            run = self._waiting.popleft()
            run.ends_at = self._count + max(1, run.done or 0)
            heapq.heappush(self._running, (run.ends_at, next(self._number), run))
        self._version += 1
        rate, version = self._rate, self._version
        if rate:
            left = max(0.0, self._running[0][0] - self._count)
            self._world.at(self._world.now + left / rate, lambda: self._end(version))

    def _catch_up(self) -> None:
        self._count += (self._world.now - self._counted_at) * self._rate
        self._counted_at = self._world.now

    def _end(self, version: int) -> None:
        if version != self._version:
            return
        self._catch_up()
        _, _, run = heapq.heappop(self._running)
        self._enqueued -= run.requests
        self._go_on()
        run.ended(run.done)

    def _drift(self) -> None:
        self._catch_up()
        slow = SLOW_FACTOR if self._chance.random() < SLOW else 1.0
        self._factor = slow * self._chance.lognormvariate(-(DRIFT**2) / 2, DRIFT)
        self._world.at(self._world.now + DRIFT_SECONDS, self._drift)
        self._go_on()

    def _leave(self) -> None:
        self._catch_up()
        self.is_away = True
        self._go_on()
        self._world.at(self._world.now + self._chance.expovariate(1 / OUTAGE_SECONDS), self._return)

    def _return(self) -> None:
        self._catch_up()
        self.is_away = False
        self._go_on()
        self._world.at(self._world.now + self._chance.expovariate(1 / OUTAGE_EVERY_SECONDS), self._leave)
