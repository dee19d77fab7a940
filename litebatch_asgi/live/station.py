"""Stations: each sends the requests of held ranges to one live deployment."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import NamedTuple, TypeAlias

import anyio

from litebatch_asgi.failpoints import hit
from litebatch_asgi.live.alone import LEARN_SECONDS, Alone
from litebatch_asgi.live.answers import AnswerBudget
from litebatch_asgi.live.held import HeldRange, PendingLine
from litebatch_asgi.live.places import Place, Places
from litebatch_asgi.live.queue import Failed, LineQueue
from litebatch_asgi.live.sending import Attempt, LineSender, abandoned
from litebatch_asgi.live.suspects import Suspects
from litebatch_asgi.live.verdicts import Ending, Flight, Flights, Unanswered, Verdict
from litebatch_asgi.live.writing import ResultWriter
from litebatch_asgi.load import Begun, LoadControl, Outcome
from litebatch_asgi.loops import beside, for_ever, scattered
from litebatch_asgi.models import NO_HINTS, LineRange, LineResult, Sharing
from litebatch_asgi.models.ids import JOB_PREFIX
from litebatch_asgi.refusals import Refusal
from litebatch_asgi.runtime import Runtime

logger: logging.Logger = logging.getLogger(__name__)

Start: TypeAlias = Callable[..., object]
"""begins a task, with a function and its arguments"""
_ENDINGS = {
    **dict.fromkeys((Outcome.ANSWERED, Outcome.BUSY, Outcome.FAILED, Outcome.UNAVAILABLE), Ending.ANSWERED),
    **dict.fromkeys((Outcome.AWAY, Outcome.ABANDONED), Ending.UNTOLD),
    Outcome.CUT: Ending.CUT,
    Outcome.SILENT: Ending.SILENT,
}

_LONGEST_PAUSE = 1.0
"""seconds between two looks for what may begin"""
_FIRST_RETRY, _LAST_RETRY = 1.0, 60.0
"""seconds from a failed attempt to the next one, which each time is twice as long"""
_LATE_SECONDS = 0.2
"""from the decision to send a request, for which its claim was looked at, until it is sent"""
_MOST_DEATHS = 2
"""of the server that a request may see before it runs alone"""
_MOST_PAUSES = 10
"""that are counted"""


class _Sending(NamedTuple):
    """An attempt that is under way."""

    held: HeldRange
    pending: PendingLine
    place: Place
    begun: Begun
    flight: Flight
    turn: int | None
    """of one that runs alone"""


class Station:
    """Sends to one deployment, as fast as that and the limits allow.

    Args:
        sender: sends a request.
        load: how many may be under way.
        writer: commits what comes of them.
        answers: bounds the bytes of what comes of them until then.
        suspects: which of the requests begin that somebody was lost with.
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
        answers: AnswerBudget,
        suspects: Suspects,
        timeout: float,
    ) -> None:
        self._runtime = runtime
        self.deployment_id: str = deployment_id
        self.timeout: float = timeout
        self.look_at: float = 0.0
        """when ranges are to be claimed for it again, by the event loop's clock"""
        self.look_for_others_at: float = 0.0
        """the same, where it has as many as it may hold, of owners who have none there"""
        self.expecting: int = 0
        """requests of ranges that are just being read"""
        self._sender = sender
        self.load: LoadControl = load
        self._writer = writer
        self._attempts = runtime.settings.live_attempts
        self.alone: Alone = Alone(runtime, deployment_id, changed=self.wake)
        self._queue = LineQueue()
        self.places: Places = Places(answers)
        self._suspects = suspects
        self._flights = Flights()
        self._are_others = False
        self._changed = anyio.Event()
        self._pause: float | None = None

    @property
    def held(self) -> list[HeldRange]:
        """The ranges that this process holds here."""
        return self._queue.held

    def runs(self, job_id: str) -> bool:
        """Whether any of them is of this job."""
        return any(held.claim.job_id == job_id for held in self.held)

    @property
    def is_short(self) -> bool:
        """Whether it is soon to be without requests."""
        return self._queue.is_short(2 * self.load.limit - self.expecting, is_probing=self.load.is_probing)

    @property
    def bytes(self) -> int:
        """Of the requests that wait."""
        return sum(held.claim.bytes for held in self.held if held.waiting)

    def add(self, held: HeldRange) -> None:
        """Take a range that was claimed."""
        self._queue.add(held)
        self._runtime.metrics.live_ranges_held(self.deployment_id, len(self.held))
        self.wake()

    def drop(self, held: HeldRange, *, is_written: bool = False) -> None:
        """Go on with nothing of a range: it is somebody else's, or nobody's.

        Answers that were to be committed are lost with it, unless it `is_written`.
        """
        lost = held.drop()
        self._lose(0 if is_written else lost)
        self._remove(held)
        self.wake()

    def _lose(self, answers: int) -> None:
        """Answers have come, and nobody will have them."""
        if answers:
            self._runtime.metrics.unbilled(self.deployment_id, "live", answers)

    def _remove(self, held: HeldRange) -> None:
        self._queue.remove(held)
        self._runtime.metrics.live_ranges_held(self.deployment_id, len(self.held))

    def share(self, sharing: Sharing | None, worker: str, now: float) -> None:
        """Divide the limits by all who run requests here; `worker` is this process."""
        takes_part = bool(self.held or self.expecting)
        holders = sharing.holders if sharing is not None else 1
        self._are_others = takes_part and holders > 1
        self.load.share(max(1, holders) if takes_part else 0, now)
        alone = sharing.alone if sharing is not None else None
        self.alone.told(is_elsewhere=alone not in (None, worker), now=now)
        self.wake()

    def wake(self) -> None:
        """Something may begin now."""
        self._changed.set()

    async def run(self) -> None:
        """Send until cancelled."""
        async with anyio.create_task_group() as group:
            await for_ever(partial(self._step, beside(group)), self._rest)

    async def _step(self, start: Start) -> None:
        self._changed = anyio.Event()
        self._pause = self._begin_all(start)

    async def _rest(self) -> None:
        with anyio.move_on_after(_LONGEST_PAUSE if self._pause is None else self._pause):
            await self._changed.wait()

    def _begin_all(self, start: Start) -> float | None:
        """Begin whatever may; seconds until more may, None: nobody knows."""
        now = anyio.current_time()
        self._bring_back(now)
        later = self._queue.next_due(now)
        self._begin_alone(start, now)
        if self.alone.holds_up(now):
            return later
        while True:
            if self.places.taken >= self.load.limit:
                self._writer.hurry()
                return later
            chosen = self._queue.next(
                now,
                seconds=self.timeout,
                places=self.places,
                room=self.load.limit,
                suspects=self._suspects,
                is_probing=self.load.is_probing,
            )
            if chosen is None:
                return later
            held, pending = chosen
            if held.is_to_be_tried(pending.line.line):
                self._suspects.begin(held, now)
                held.trying = pending.line.line
                self._writer.add(held)
                continue
            if pause := self.load.wait(now, pending.tokens):
                return pause if later is None else min(pause, later)
            held.take(pending)
            if held.claim.one_by_one and held.claim.tries > self._attempts:
                row = abandoned(pending.line, _row_id(held, pending), held.claim.tries - 1)
                self._finish(held, row, self.places.take(held.claim.owner))
                continue
            self._begin(start, held, pending, now)

    def _begin_alone(self, start: Start, now: float) -> None:
        """Run a request that may have killed the server, if it has the deployment for itself."""
        is_known_quiet = (
            not self._are_others or self.alone.waited(now) >= LEARN_SECONDS + self._flights.longest
        )
        suspect = self.alone.take(
            start,
            now,
            are_others=self._are_others or not self._queue.is_empty,
            is_quiet=not self._flights.count and is_known_quiet,
            is_ready=not self.load.wait(now, self.alone.tokens),
        )
        if suspect is not None:
            self._begin(start, suspect.held, suspect.pending, now, turn=self.alone.turn)

    def _begin(
        self, start: Start, held: HeldRange, pending: PendingLine, now: float, *, turn: int | None = None
    ) -> None:
        place = self.places.take(held.claim.owner)
        begun = self.load.begin(now, pending.tokens, key=(held.claim.job_id, pending.line.line))
        self._queue.begun(held, pending)
        start(self._attempt, _Sending(held, pending, place, begun, self._flights.begin(now), turn))

    async def _attempt(self, sending: _Sending) -> None:
        """Send a request and go on with what comes of it. Whatever happens, no place is lost with it."""
        attempt: Attempt | None = None
        try:
            attempt = await self._sent(sending)
        finally:
            now = anyio.current_time()
            try:
                case = self._landed(sending, attempt, now)
                self._go_on(sending, attempt, case, now)
                self._tell_fleet(attempt)
            except Exception:
                logger.exception("a range is dropped", extra={"job_id": sending.held.claim.job_id})
                sending.place.free()
                self.drop(sending.held)
            self.wake()

    async def _sent(self, sending: _Sending) -> Attempt | None:
        """What came of sending a request; None: it was broken off, or could not be sent."""
        held, pending = sending.held, sending.pending
        scope, sent_at = held.begin(), anyio.current_time()
        attempt: Attempt | None = None
        self._runtime.metrics.live_request_begun(self.deployment_id)
        try:
            with scope:
                hit("live.sending")
                if held.runs_until < anyio.current_time() + self.timeout - _LATE_SECONDS:
                    return None  # this process was stopped meanwhile, and somebody else may have the range
                attempt = await self._sender.send(
                    pending.line,
                    _row_id(held, pending),
                    held.models,
                    sending.place.answer,
                    lambda: sending.flight.resend(anyio.current_time()),
                )
                hit("live.answered")
        except Exception:
            logger.exception("a request could not be sent", extra={"job_id": held.claim.job_id})
        finally:
            held.end(scope)
            outcome = attempt.outcome if attempt is not None else Outcome.ABANDONED
            took = anyio.current_time() - sent_at
            self._runtime.metrics.live_request_ended(self.deployment_id, outcome.value, took)
        return attempt

    def _landed(self, sending: _Sending, attempt: Attempt | None, now: float) -> Unanswered | None:
        """Let those know of it who look at all requests; what is to be judged of it later."""
        outcome = attempt.outcome if attempt is not None else Outcome.ABANDONED
        case = self._flights.end(sending.flight, now, _ENDINGS[outcome])
        was_doubtful = sending.pending.is_doubtful
        if was_doubtful and case is not None and case.went_on:
            outcome = Outcome.ABANDONED  # that it hangs once more tells nothing of the server
        self.load.end(
            sending.begun,
            now,
            outcome,
            tokens_used=attempt.tokens if attempt is not None else None,
            hints=attempt.hints if attempt is not None else NO_HINTS,
        )
        self._queue.ended(
            was_doubtful=was_doubtful, began=sending.flight.began, now=now, room=self.load.limit
        )
        if sending.turn is not None:
            self.alone.ended(sending.turn, now, was_cut=outcome is Outcome.CUT)
        return case

    def _go_on(self, sending: _Sending, attempt: Attempt | None, case: Unanswered | None, now: float) -> None:
        held, pending, place = sending.held, sending.pending, sending.place
        failed: Failed | None = None
        if held.is_lost:
            self._lose(attempt is not None and attempt.outcome is Outcome.ANSWERED)
            place.free()
            return
        if attempt is not None:
            pending.is_doubtful = pending.is_doubtful or case is not None
            if case is not None and not (case.went_on or sending.turn is not None):
                failed = Failed(case, attempt.result)
            elif case is not None:
                self._count_alone(pending, case, is_alone=sending.turn is not None)
            elif self.load.attempt_counts(attempt.outcome):
                pending.attempts += 1
            if attempt.is_final or pending.attempts >= self._attempts:
                self._finish(held, attempt.result, place)
                return
        place.free()
        is_soon = case is not None and (case.is_silent or sending.turn is not None)
        self._put_off(held, pending, now, failed, is_soon=is_soon)

    def _count_alone(self, pending: PendingLine, case: Unanswered, *, is_alone: bool) -> None:
        """Of a server that may not be there cuts do not count, but for those beyond as many as attempts."""
        if is_alone and not (case.is_silent or case.was_there) and pending.unclear < self._attempts:
            pending.unclear += 1
        else:
            pending.attempts += 1

    def _tell_fleet(self, attempt: Attempt | None) -> None:
        """Let new jobs go to other deployments while this one takes nothing."""
        fleet = self._runtime.fleet
        if attempt is not None and attempt.outcome is Outcome.ANSWERED:
            fleet.clear_cooldown(self.deployment_id)
        elif seconds := self.load.rests_for(anyio.current_time()):
            reason = Refusal.UNREACHABLE if self.load.is_down else Refusal.BUSY
            fleet.cool_down(self.deployment_id, seconds, reason=reason, answers=self.load.is_answering)

    def _finish(self, held: HeldRange, result: LineResult, place: Place) -> None:
        """There is a result: its place is free once it is committed."""
        held.finish(result, place)
        self._writer.add(held)

    def _put_off(
        self,
        held: HeldRange,
        pending: PendingLine,
        now: float,
        failed: Failed | None,
        *,
        is_soon: bool,
    ) -> None:
        """Let a request wait, each time for longer."""
        pause = min(_FIRST_RETRY * 2**pending.pauses, _LAST_RETRY)
        if is_soon or (failed is not None and pending.attempts + 1 >= self._attempts):
            pause = _FIRST_RETRY  # for it has taken long anyway, or may be through once it is judged
        pending.pauses = min(pending.pauses + 1, _MOST_PAUSES)
        self._queue.put_off(held, pending, now + scattered(pause), failed)

    def _bring_back(self, now: float) -> None:
        """Let requests whose pause is over wait for their turn, once they are judged."""
        while (due := self._queue.pop_due(now)) is not None:
            held, pending = due.held, due.pending
            if due.failed is not None:
                self._judge(pending, due.failed, now)
            if due.failed is not None and pending.attempts >= self._attempts:
                self._finish(held, due.failed.result, self.places.take(held.claim.owner))
            elif pending.deaths >= _MOST_DEATHS:
                self.alone.add(held, pending)
            else:
                self._queue.bring_back(held, pending, now)

    def _judge(self, pending: PendingLine, failed: Failed, now: float) -> None:
        """What befell all others with it was no attempt of its own."""
        verdict = failed.case.verdict(now)
        was_there = failed.case.is_silent or failed.case.was_there
        if verdict is Verdict.DEATH or (verdict is Verdict.UNTOLD and (self.load.is_down or not was_there)):
            pending.deaths += 1
        else:
            pending.attempts += 1

    def committed(self, held: HeldRange, after: LineRange | None) -> None:
        """What was written of a range was committed; `after`: None: it was not ours any more."""
        if after is None:
            self.drop(held)
        elif held.is_finished or after.next_check_at is None:
            self._remove(held)
        self.wake()


def _row_id(held: HeldRange, pending: PendingLine) -> str:
    """The id of a row, always the same."""
    return f"batch_req_{held.claim.job_id.removeprefix(JOB_PREFIX)}-{pending.line.line}"
