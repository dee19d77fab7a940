"""How many requests a live deployment gets at a time from one process, and how quickly. Pure.

What is in flight follows additive increase and multiplicative decrease; requests and tokens a minute are
paced; what the server says of its limits is obeyed; one that is away is tried with one request at a time.
Times are seconds of any clock that does not go back.
"""

from __future__ import annotations

from collections.abc import Hashable
from enum import StrEnum

import msgspec

from litebatch_asgi.errors import LONGEST_RETRY_SECONDS, bounded_wait
from litebatch_asgi.models import NO_HINTS, RateHints
from litebatch_asgi.pacing import Pacer

FIRST_LIMIT = 4
"""in flight before anything is known"""
IN_A_ROW = 5
"""different requests that all fail, with no success between: it is the server, not they"""
RECOVERY_SECONDS = 40.0
"""within which what is in flight may grow from nothing to its ceiling again, however long answers take"""
LONGEST_GROWTH_SECONDS = 10.0
"""what one success may make good of that: a server that was left alone for longer is not overrun"""
FIRST_PAUSE_SECONDS = 1.0
LONGEST_DOWN_SECONDS = 60.0
LONGEST_BUSY_SECONDS = 15.0
"""between the probes of a server that refuses everything for its load and does not say for how long"""
PROBE_SECONDS = 30.0
"""within which a probe is answered, if at all, so that it is known whether the server is back"""
ASK_AGAIN_SECONDS = 1.0
"""where only the end of a request can make room"""


class Outcome(StrEnum):
    """What has become of a request, as far as it tells something of the server's load."""

    ANSWERED = "answered"
    """with success, or a refusal of that request alone"""
    BUSY = "busy"
    """429, and 529, with which Anthropic and others say that they are overloaded"""
    FAILED = "failed"
    """408, and 5xx that are not `UNAVAILABLE`"""
    UNAVAILABLE = "unavailable"
    """502, 503, 504, and 521 to 523, with which Cloudflare says that nobody is behind it"""
    CUT = "cut"
    SILENT = "silent"
    AWAY = "away"
    """no connection was made"""
    ABANDONED = "abandoned"
    """by us: it tells nothing"""


def outcome_of_status(status: int) -> Outcome:
    """What an answer with this status says of the server."""
    if status in (429, 529):
        return Outcome.BUSY
    if status in (502, 503, 504, 521, 522, 523):
        return Outcome.UNAVAILABLE
    return Outcome.FAILED if status == 408 or status >= 500 else Outcome.ANSWERED


class Begun(msgspec.Struct, frozen=True, gc=False):
    """A request in flight."""

    number: int
    key: Hashable
    tokens: int
    is_probe: bool


class LoadControl:
    """One deployment in one process.

    Args:
        most: requests in flight there, by all processes together.
        rpm: requests a minute, likewise; None: no limit.
        tpm: tokens a minute, likewise.
        now: see the module.

    """

    def __init__(self, *, most: int, rpm: int | None = None, tpm: int | None = None, now: float) -> None:
        self._most = most
        self._processes = 1
        self._requests = Pacer(rpm, now) if rpm is not None else None
        self._tokens = Pacer(tpm, now) if tpm is not None else None
        self.in_flight: int = 0
        self._limit = float(min(FIRST_LIMIT, most))
        self._is_doubling = True
        self._begun = 0
        self._decreased_at = 0
        """the last request that had begun when the limit was last made smaller"""
        self._grown_at = now
        self._paused_until = now
        self._pause = 0.0
        """the last one that we chose ourselves"""
        self._paused_at = 0
        """the last request that had begun when that pause was chosen"""
        self._is_away = False
        self.is_answering: bool = True
        """whether the last failure since the last success was an answer, be it a refusal"""
        self._busy = set[Hashable]()
        self._unavailable = set[Hashable]()
        """the requests that failed so, since the last success"""
        self._probe_is_out = False

    @property
    def is_down(self) -> bool:
        """Whether the server is away: one request at a time asks whether it is back."""
        return self._is_away or len(self._unavailable) >= IN_A_ROW

    @property
    def is_refusing(self) -> bool:
        """Whether the server refuses everything for its load."""
        return len(self._busy) >= IN_A_ROW

    @property
    def is_probing(self) -> bool:
        """Whether one request at a time asks whether the server takes any."""
        return self.is_down or self.is_refusing

    @property
    def limit(self) -> int:
        """How many requests may be in flight now."""
        return 1 if self.is_probing else max(1, int(min(self._limit, self._ceiling)))

    @property
    def _ceiling(self) -> int:
        return max(1, self._most // max(1, self._processes))

    def share(self, processes: int, now: float) -> None:
        """Divide the limits by the processes that hold ranges of the deployment, this one among them.

        0: this one holds none for now.
        """
        self._processes = processes
        for pacer in (self._requests, self._tokens):
            if pacer is not None:
                pacer.share(processes, now)

    def wait(self, now: float, tokens: int = 0) -> float:
        """0: a request of so many tokens may begin now; else seconds until it makes sense to ask again.

        Whenever a request has ended it makes sense as well.
        """
        seconds = max(0.0, self._paused_until - now)
        if self._requests is not None:
            seconds = max(seconds, self._requests.wait(now))
        if self._tokens is not None and tokens:
            seconds = max(seconds, self._tokens.wait(now))
        is_full = self._probe_is_out if self.is_probing else self.in_flight >= self.limit
        return max(seconds, ASK_AGAIN_SECONDS) if is_full else seconds

    def rests_for(self, now: float) -> float:
        """Seconds until the next probe has told of a server that takes nothing; 0: it takes requests."""
        return self.wait(now) + PROBE_SECONDS if self.is_probing else 0.0

    def begin(self, now: float, tokens: int = 0, *, key: Hashable = None) -> Begun:
        """A request begins, of so many tokens by estimate; give what is returned to `end`.

        `key` tells it from others, and is the same each time that it is tried; None: there is no other time.
        """
        self.in_flight += 1
        self._begun += 1
        if self._requests is not None:
            self._requests.take(1, now)
        if self._tokens is not None:
            self._tokens.take(tokens, now)
        is_probe = self.is_probing
        self._probe_is_out = self._probe_is_out or is_probe
        return Begun(self._begun, self._begun if key is None else key, tokens, is_probe)

    def end(
        self,
        begun: Begun,
        now: float,
        outcome: Outcome,
        *,
        tokens_used: int | None = None,
        hints: RateHints = NO_HINTS,
    ) -> None:
        """A request has ended. `tokens_used`: None where nobody knows; then the estimate stands."""
        self.in_flight -= 1
        if begun.is_probe:
            self._probe_is_out = False
        if self._tokens is not None and tokens_used is not None:
            self._tokens.correct(tokens_used - begun.tokens, now)
        self._obey(outcome, hints, now)
        if outcome is Outcome.ABANDONED:
            return
        if outcome is Outcome.ANSWERED:
            self._succeeded(now)
        else:
            self._failed(begun, outcome, hints, now)

    def attempt_counts(self, outcome: Outcome) -> bool:
        """Whether a failure that has just ended is one of those that its line may have.

        What the server does to all requests is no fault of one of them.
        """
        match outcome:
            case Outcome.AWAY | Outcome.ABANDONED:
                return False
            case Outcome.UNAVAILABLE:
                return not self.is_down
            case Outcome.BUSY:
                return not self.is_refusing
            case _:
                return True

    def _obey(self, outcome: Outcome, hints: RateHints, now: float) -> None:
        if hints is NO_HINTS:
            return
        waits = [
            reset
            for left, reset in (
                (hints.requests_left, hints.requests_reset),
                (hints.tokens_left, hints.tokens_reset),
            )
            if left == 0 and reset is not None
        ]
        seconds = min(max(waits, default=0.0), LONGEST_RETRY_SECONDS)
        if outcome in (Outcome.BUSY, Outcome.UNAVAILABLE):
            seconds = max(seconds, bounded_wait(hints.retry_after) or 0.0)
        self._paused_until = max(self._paused_until, now + seconds)

    def _succeeded(self, now: float) -> None:
        if self._is_away:
            self._is_doubling = True
        self._is_away = False
        self.is_answering = True
        self._busy.clear()
        self._unavailable.clear()
        self._pause = 0.0
        self._probe_is_out = False
        grown = self._ceiling * min(now - self._grown_at, LONGEST_GROWTH_SECONDS) / RECOVERY_SECONDS
        more = 1.0 if self._is_doubling else max(1.0 / self._limit, grown)
        self._limit = min(self._limit + more, float(self._ceiling))
        self._grown_at = now

    def _failed(self, begun: Begun, outcome: Outcome, hints: RateHints, now: float) -> None:
        if begun.number > self._decreased_at:
            self._limit = max(1.0, self._limit / 2)
            self._decreased_at = self._begun
            self._is_doubling = False
        self._grown_at = now
        self.is_answering = outcome not in (Outcome.AWAY, Outcome.CUT, Outcome.SILENT)
        if outcome is Outcome.AWAY:
            self._is_away = True
            self._limit = 1.0
        elif outcome in (Outcome.UNAVAILABLE, Outcome.CUT) and len(self._unavailable) < IN_A_ROW:
            self._unavailable.add(begun.key)
        elif outcome is Outcome.BUSY:
            self._is_away = False  # for somebody has answered
            if len(self._busy) < IN_A_ROW:
                self._busy.add(begun.key)
        is_told = outcome is Outcome.BUSY and hints.retry_after is not None
        if self.is_probing and not is_told and begun.number > self._paused_at:
            longest = LONGEST_DOWN_SECONDS if self.is_down else LONGEST_BUSY_SECONDS
            self._pause = min(max(FIRST_PAUSE_SECONDS, 2 * self._pause), longest)
            self._paused_at = self._begun
            self._paused_until = max(self._paused_until, now + self._pause)
