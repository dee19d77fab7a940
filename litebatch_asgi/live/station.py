"""Stations: each sends the requests of held ranges to one live deployment."""

from __future__ import annotations

import heapq
import itertools
import logging
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import NamedTuple, TypeAlias

import anyio

from litebatch_asgi.failpoints import hit
from litebatch_asgi.live.alone import Alone
from litebatch_asgi.live.held import HeldRange, PendingLine
from litebatch_asgi.live.places import Place, Places
from litebatch_asgi.live.sending import Attempt, LineSender, abandoned
from litebatch_asgi.live.survivors import Survivors
from litebatch_asgi.live.turns import Waiting, next_owner
from litebatch_asgi.live.writing import ResultWriter
from litebatch_asgi.load import Begun, LoadControl, Outcome
from litebatch_asgi.loops import for_ever, scattered
from litebatch_asgi.models import NO_HINTS, LineRange, LineResult
from litebatch_asgi.models.ids import JOB_PREFIX
from litebatch_asgi.refusals import Refusal
from litebatch_asgi.runtime import Runtime

logger: logging.Logger = logging.getLogger(__name__)

Start: TypeAlias = Callable[..., object]
"""begins a task, with a function and its arguments"""
_ANSWERS = frozenset({Outcome.ANSWERED, Outcome.BUSY, Outcome.FAILED, Outcome.UNAVAILABLE})
_UNANSWERED = frozenset({Outcome.CUT, Outcome.SILENT})

_LONGEST_PAUSE = 1.0
"""seconds between two looks for what may begin"""
_FIRST_RETRY, _LAST_RETRY = 1.0, 60.0
"""seconds from a failed attempt to the next one, which each time is twice as long"""


class _Ended(NamedTuple):
    """An attempt that got no answer."""

    began: float
    at: float
    outcome: Outcome


class _Flight(NamedTuple):
    """An attempt that is under way."""

    held: HeldRange
    pending: PendingLine
    place: Place
    begun: Begun
    request: int
    """as the survivors know it"""
    alone: bool


class Station:
    """Sends to one deployment, as fast as that and the limits allow.

    Args:
        sender: sends a request.
        load: how many may be under way.
        writer: commits what comes of them.
        timeout: seconds that one attempt may take.

    """

    def __init__(
        self,
        runtime: Runtime,
        deployment_id: str,
        *,
        sender: LineSender,
        load: LoadControl,
        writer: ResultWriter,
        timeout: float,
    ) -> None:
        self._runtime = runtime
        self.deployment_id: str = deployment_id
        self.timeout: float = timeout
        self.look_at: float = 0.0
        """when ranges are to be claimed for it again, by the event loop's clock"""
        self.expecting: int = 0
        """requests of ranges that are just being read"""
        self._sender = sender
        self.load: LoadControl = load
        self._writer = writer
        self._attempts = runtime.settings.live_attempts
        self.alone: Alone = Alone(runtime, deployment_id, seconds=2 * timeout, changed=self.wake)
        self._held: dict[tuple[str, int], HeldRange] = {}
        self._of_owner: defaultdict[str, list[HeldRange]] = defaultdict(list)
        self._last_turn: dict[str, int] = {}
        self._turn = itertools.count(1)
        self._later: list[tuple[float, int, HeldRange, PendingLine, _Ended | None]] = []
        self.places: Places = Places()
        self._survivors = Survivors()
        self._changed = anyio.Event()
        self._pause: float | None = None

    @property
    def held(self) -> list[HeldRange]:
        """The ranges that this process holds here."""
        return list(self._held.values())

    def runs(self, job_id: str) -> bool:
        """Whether any of them is of this job."""
        return any(of == job_id for of, _ in self._held)

    @property
    def owners(self) -> frozenset[str]:
        """Whose they are."""
        return frozenset(owner for owner, ranges in self._of_owner.items() if ranges)

    @property
    def ready(self) -> int:
        """Requests that wait to be sent and need wait for no other one of their range."""
        return sum(bool(held.waiting) if held.claim.one_by_one else len(held.waiting) for held in self.held)

    @property
    def is_short(self) -> bool:
        """Whether it is soon to be without requests."""
        return self.ready + self.expecting < 2 * self.load.limit

    @property
    def bytes(self) -> int:
        """Of the requests that wait."""
        return sum(held.claim.bytes for held in self.held if held.waiting)

    def add(self, held: HeldRange) -> None:
        """Take a range that was claimed."""
        self._held[held.claim.key] = held
        ranges = self._of_owner[held.claim.owner]
        ranges.append(held)
        ranges.sort(key=_by_deadline)
        self.wake()

    def drop(self, held: HeldRange) -> None:
        """Go on with nothing of a range: it is somebody else's, or nobody's."""
        held.drop()
        self._forget(held)
        self.wake()

    def _forget(self, held: HeldRange) -> None:
        if self._held.get(held.claim.key) is held:
            del self._held[held.claim.key]
            self._of_owner[held.claim.owner].remove(held)
            if not self._of_owner[held.claim.owner]:
                del self._of_owner[held.claim.owner]

    def wake(self) -> None:
        """Something may begin now."""
        self._changed.set()

    async def run(self) -> None:
        """Send until cancelled."""
        async with anyio.create_task_group() as group:
            await for_ever(partial(self._step, group.start_soon), self._rest)

    async def _step(self, start: Start) -> None:
        self._changed = anyio.Event()
        self._pause = self._begin_all(start)

    async def _rest(self) -> None:
        with anyio.move_on_after(_LONGEST_PAUSE if self._pause is None else self._pause):
            await self._changed.wait()

    def _begin_all(self, start: Start) -> float | None:
        """Begin whatever may; seconds until more may, None: nobody knows."""
        now = anyio.current_time()
        later = self._bring_back(now)
        if self.alone.is_elsewhere:
            return None
        if self.alone.is_wanted:
            return self._begin_alone(start, now)
        self.alone.give_back(start)
        while True:
            if self.places.taken >= self.load.limit:
                self._writer.hurry()
                return later
            held = self._next(now)
            if held is None:
                return later
            pending = held.waiting[0]
            if held.is_to_be_tried(pending.line.line):
                held.trying = pending.line.line
                self._writer.add(held)
                continue
            if pause := self.load.wait(now, pending.tokens):
                return min(pause, later or pause)
            held.waiting.popleft()
            held.running += 1
            if held.claim.one_by_one and held.claim.tries > self._attempts:
                row = abandoned(pending.line, _row_id(held, pending), held.claim.tries - 1)
                self._finish(held, row, self.places.take(held.claim.owner))
                continue
            self._begin(start, held, pending, now)

    def _next(self, now: float) -> HeldRange | None:
        """The range whose request goes next."""
        until = now + self.timeout
        first = {
            owner: held
            for owner, ranges in self._of_owner.items()
            if (held := _first_of(ranges, until)) is not None
        }
        waiting = [
            Waiting(owner, held.claim.expires_at, self.places.of(owner), self._last_turn.get(owner, 0))
            for owner, held in first.items()
        ]
        owner = next_owner(waiting, self.load.limit)
        return first[owner] if owner is not None else None

    def _begin(
        self, start: Start, held: HeldRange, pending: PendingLine, now: float, *, alone: bool = False
    ) -> None:
        place = self.places.take(held.claim.owner)
        self._last_turn[held.claim.owner] = next(self._turn)
        begun = self.load.begin(now, pending.tokens, key=(held.claim.job_id, pending.line.line))
        flight = _Flight(held, pending, place, begun, self._survivors.begin(now), alone)
        start(self._attempt, flight)

    async def _attempt(self, flight: _Flight) -> None:
        """Send a request and go on with what comes of it. Whatever happens, no place is lost with it."""
        attempt: Attempt | None = None
        try:
            attempt = await self._sent(flight)
        finally:
            ended = self._landed(flight, attempt)
            try:
                self._go_on(flight, attempt, ended)
                self._tell_fleet(ended.outcome)
            except Exception:
                logger.exception("a range is dropped", extra={"job_id": flight.held.claim.job_id})
                flight.place.free()
                self.drop(flight.held)
            self.wake()

    async def _sent(self, flight: _Flight) -> Attempt | None:
        """What came of sending a request; None: it was broken off, or could not be sent."""
        held, pending = flight.held, flight.pending
        scope = held.begin()
        try:
            with scope:
                hit("live.sending")
                attempt = await self._sender.send(pending.line, _row_id(held, pending), held.models)
                hit("live.answered")
                return attempt
        except Exception:
            logger.exception("a request could not be sent", extra={"job_id": held.claim.job_id})
        finally:
            held.end(scope)
        return None

    def _landed(self, flight: _Flight, attempt: Attempt | None) -> _Ended:
        """Let those know of it who look at all requests."""
        now = anyio.current_time()
        outcome = attempt.outcome if attempt is not None else Outcome.ABANDONED
        began = self._survivors.end(flight.request, now, is_answered=outcome in _ANSWERS)
        self.load.end(
            flight.begun,
            now,
            outcome,
            tokens_used=attempt.tokens if attempt is not None else None,
            hints=attempt.hints if attempt is not None else NO_HINTS,
        )
        return _Ended(began, now, outcome)

    def _go_on(self, flight: _Flight, attempt: Attempt | None, ended: _Ended) -> None:
        held, place = flight.held, flight.place
        if held.is_lost:
            place.free()
        elif attempt is None:
            place.free()
            self._again(held, flight.pending, ended.at)
        elif attempt.is_final:
            self._finish(held, attempt.result, place)
        else:
            self._failed(flight, attempt, ended)

    def _tell_fleet(self, outcome: Outcome) -> None:
        """Let new jobs go to other deployments while this one takes nothing."""
        fleet = self._runtime.fleet
        if outcome is Outcome.ANSWERED:
            fleet.clear_cooldown(self.deployment_id)
        elif (self.load.is_down or self.load.is_refusing) and not fleet.cooldown_left(self.deployment_id):
            reason = Refusal.UNREACHABLE if self.load.is_down else Refusal.BUSY
            fleet.cool_down(self.deployment_id, None, reason=reason)

    def _finish(self, held: HeldRange, result: LineResult, place: Place) -> None:
        """There is a result: its place is free once it is committed."""
        held.finish(result, place)
        self._writer.add(held)

    def _failed(self, flight: _Flight, attempt: Attempt, ended: _Ended) -> None:
        """Another attempt, unless it was the last one; an unanswered one is judged before it begins."""
        held, pending, alone = flight.held, flight.pending, flight.alone
        if alone or self.load.attempt_counts(attempt.outcome):
            pending.attempts += 1
        if pending.attempts >= self._attempts:
            self._finish(held, attempt.result, flight.place)
            return
        flight.place.free()
        if alone and attempt.outcome in _UNANSWERED:
            self.alone.add(held, pending)
        else:
            self._again(held, pending, ended.at, ended if attempt.outcome in _UNANSWERED else None)

    def _again(self, held: HeldRange, pending: PendingLine, now: float, ended: _Ended | None = None) -> None:
        """Put a request off, each time for longer."""
        due = now + scattered(min(_FIRST_RETRY * 2**pending.pauses, _LAST_RETRY))
        pending.pauses = min(pending.pauses + 1, 10)
        heapq.heappush(self._later, (due, next(self._turn), held, pending, ended))

    def _bring_back(self, now: float) -> float | None:
        """Let requests whose pause is over wait for their turn; seconds until the next one's is."""
        while self._later and self._later[0][0] <= now:
            _, _, held, pending, ended = heapq.heappop(self._later)
            if held.is_lost:
                continue
            if ended is not None and not self._survivors.is_own_fault(ended.began, ended.at, ended.outcome):
                pending.deaths += 1
            if pending.deaths >= max(1, self._attempts // 2):
                self.alone.add(held, pending)
            else:
                held.running -= 1
                held.waiting.appendleft(pending)
        return self._later[0][0] - now if self._later else None

    def _begin_alone(self, start: Start, now: float) -> float | None:
        """Run a request that may have killed the server, with nothing else beside it."""
        if self._survivors.count:
            return None
        taken = self.alone.take(start, now, self.timeout)
        if taken is None:
            return None
        held, pending = taken
        if pause := self.load.wait(now, pending.tokens):
            self.alone.add(held, pending)
            return pause
        self._begin(start, held, pending, now, alone=True)
        return None

    def committed(self, held: HeldRange, after: LineRange | None) -> None:
        """What was written of a range was committed; `after`: None: it was not ours any more."""
        if after is None:
            self.drop(held)
        elif held.is_finished or after.next_check_at is None:
            self._forget(held)
        self.wake()


def _first_of(ranges: list[HeldRange], until: float) -> HeldRange | None:
    """The first range of which something may begin that runs until then."""
    return next((held for held in ranges if held.can_begin and held.runs_until >= until), None)


def _by_deadline(held: HeldRange) -> tuple[datetime, str, int]:
    return held.claim.expires_at, held.claim.job_id, held.claim.seq


def _row_id(held: HeldRange, pending: PendingLine) -> str:
    """The id of a row, always the same."""
    return f"batch_req_{held.claim.job_id.removeprefix(JOB_PREFIX)}-{pending.line.line}"
