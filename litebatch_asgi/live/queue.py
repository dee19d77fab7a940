"""What waits to be sent to one deployment, and what of it goes next. Pure: `now` is passed."""

from __future__ import annotations

import heapq
import itertools
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import NamedTuple

from litebatch_asgi.live.held import HeldRange, PendingLine
from litebatch_asgi.live.places import Places
from litebatch_asgi.live.suspects import Suspects
from litebatch_asgi.live.turns import Waiting, next_owner
from litebatch_asgi.live.verdicts import Unanswered
from litebatch_asgi.models import LineResult

DOUBTFUL_SHARE = 4
"""Requests that were unanswered before have one place of so many, and at least one, while others wait."""
BEHIND_SECONDS = 10.0
"""for which such a request lets all others pass"""


class Chosen(NamedTuple):
    """A request that goes next."""

    held: HeldRange
    pending: PendingLine


class Failed(NamedTuple):
    """What came of an attempt that got no answer, which is judged when its request is to be sent again."""

    case: Unanswered
    result: LineResult
    """of the request, if that was its last attempt"""


class PutOff(NamedTuple):
    """A request that is to wait."""

    due: float
    turn: int
    held: HeldRange
    pending: PendingLine
    failed: Failed | None


class LineQueue:
    """The requests of held ranges.

    Owners take turns. Doubtful requests, those that were unanswered before, wait behind all others, and no
    longer than that must be; they hold a part of the places alone, so that those that hang hold up nobody.
    """

    def __init__(self) -> None:
        self._held: dict[tuple[str, int], HeldRange] = {}
        self._of_owner: defaultdict[str, list[HeldRange]] = defaultdict(list)
        self._put_off: list[PutOff] = []
        self._last_turn: dict[str, int] = {}
        self._last_of_job: dict[str, int] = {}
        self._turn = itertools.count(1)
        self._doubtful = 0
        """doubtful requests under way"""
        self._doubtful_from = 0.0
        """when the next one may begin while others wait"""

    @property
    def held(self) -> list[HeldRange]:
        """The ranges."""
        return list(self._held.values())

    @property
    def ready(self) -> int:
        """Requests that wait and need wait for no other one of their range."""
        return sum(
            bool(held.waiting) if held.claim.one_by_one else len(held.waiting) for held in self._held.values()
        )

    def is_short(self, least: int, *, is_probing: bool) -> bool:
        """Whether fewer than so many are ready, or those of one job alone at a server that takes nothing.

        It may be these alone that it does not take.
        """
        return self.ready < least or (is_probing and len(self._jobs) == 1)

    @property
    def _jobs(self) -> set[str]:
        return {held.claim.job_id for held in self._held.values()}

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits for its turn."""
        return not any(held.waiting or held.doubtful for held in self._held.values())

    def add(self, held: HeldRange) -> None:
        """Take a range."""
        self._held[held.claim.key] = held
        ranges = self._of_owner[held.claim.owner]
        ranges.append(held)
        ranges.sort(key=_by_deadline)

    def remove(self, held: HeldRange) -> None:
        """Forget a range, if it is there."""
        if self._held.get(held.claim.key) is held:
            del self._held[held.claim.key]
            self._of_owner[held.claim.owner].remove(held)
            if not self._of_owner[held.claim.owner]:
                del self._of_owner[held.claim.owner]
                self._last_turn.pop(held.claim.owner, None)
            if held.claim.job_id in self._last_of_job.keys() - self._jobs:
                del self._last_of_job[held.claim.job_id]

    def put_off(
        self, held: HeldRange, pending: PendingLine, due: float, failed: Failed | None = None
    ) -> None:
        """Have a request wait until then."""
        heapq.heappush(self._put_off, PutOff(due, next(self._turn), held, pending, failed))

    def pop_due(self, now: float) -> PutOff | None:
        """The next request whose pause is over, of a range that is not lost."""
        while self._put_off and self._put_off[0].due <= now:
            each = heapq.heappop(self._put_off)
            if not each.held.is_lost:
                return each
        return None

    def next_due(self, now: float) -> float | None:
        """Seconds until the next pause is over; None: nothing was put off."""
        return max(0.0, self._put_off[0].due - now) if self._put_off else None

    def bring_back(self, held: HeldRange, pending: PendingLine, now: float) -> None:
        """Let a request wait for its turn again."""
        held.running -= 1
        if pending.is_doubtful:
            pending.waits_since = now
            held.doubtful.append(pending)
        else:
            held.waiting.appendleft(pending)

    def next(
        self,
        now: float,
        *,
        seconds: float,
        places: Places,
        room: int,
        suspects: Suspects,
        is_probing: bool = False,
    ) -> Chosen | None:
        """The request that goes next where `room` of them may be under way.

        Args:
            now: see the module.
            seconds: for which the claim on a range must run.
            places: what its requests take.
            room: see above.
            suspects: which of the process may begin.
            is_probing: whether the server takes nothing: then an owner's jobs take turns.

        """

        first_of = partial(self._first, now + seconds, partial(suspects.may_begin, now=now), is_probing)
        fresh, doubtful = first_of(), first_of(is_doubtful=True)
        if doubtful and not self._may_be_doubtful(doubtful, now, room, others_wait=bool(fresh)):
            doubtful = {}
        first = doubtful or fresh
        waiting = [
            Waiting(owner, held.claim.expires_at, places.of(owner), self._last_turn.get(owner, 0))
            for owner, held in first.items()
        ]
        owner = next_owner(waiting, room)
        if owner is None:
            return None
        held = first[owner]
        return Chosen(held, (held.doubtful if doubtful else held.waiting)[0])

    def _first(
        self,
        until: float,
        may_begin: Callable[[HeldRange], bool],
        is_probing: bool,
        *,
        is_doubtful: bool = False,
    ) -> dict[str, HeldRange]:
        """By owner, the first range of which such a request may begin, and that runs until then."""
        found: dict[str, HeldRange] = {}
        for owner, ranges in self._of_owner.items():
            for held in sorted(ranges, key=self._turn_of_job) if is_probing else ranges:
                is_ready = held.runs_until >= until and held.can_begin(is_doubtful=is_doubtful)
                if is_ready and may_begin(held):
                    found[owner] = held
                    break
        return found

    def _turn_of_job(self, held: HeldRange) -> int:
        return self._last_of_job.get(held.claim.job_id, 0)

    def _may_be_doubtful(
        self, first: dict[str, HeldRange], now: float, room: int, *, others_wait: bool
    ) -> bool:
        if not others_wait:
            return self._doubtful < max(1, room // 2)  # who comes next is not to find all places held up
        if self._doubtful >= max(1, room // DOUBTFUL_SHARE) or now < self._doubtful_from:
            return False
        return any(now - held.doubtful[0].waits_since >= BEHIND_SECONDS for held in first.values())

    def begun(self, held: HeldRange, pending: PendingLine) -> None:
        """A request is sent."""
        self._last_turn[held.claim.owner] = self._last_of_job[held.claim.job_id] = next(self._turn)
        self._doubtful += pending.is_doubtful

    def ended(self, *, was_doubtful: bool, began: float, now: float, room: int) -> None:
        """It is over. Where there are few places, doubtful ones have a part of the time instead."""
        self._doubtful -= was_doubtful
        if was_doubtful and room < DOUBTFUL_SHARE:
            self._doubtful_from = now + (now - began) * (DOUBTFUL_SHARE / max(1, room) - 1)


def _by_deadline(held: HeldRange) -> tuple[datetime, str, int]:
    return held.claim.expires_at, held.claim.job_id, held.claim.seq
