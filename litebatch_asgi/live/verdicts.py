"""Verdicts: whether a request that got no answer failed by itself, or its server with all others. Pure.

Times are seconds of one clock.
"""

from __future__ import annotations

from collections import deque
from enum import StrEnum

TOGETHER_SECONDS = 0.5
"""within which a server that dies cuts all its connections"""
_REMEMBERED = 256
"""requests without an answer"""


class Ending(StrEnum):
    """How a request has ended, as far as it tells whether the server is there."""

    ANSWERED = "answered"
    CUT = "cut"
    SILENT = "silent"
    UNTOLD = "untold"
    """it was never sent, or broken off by us"""


class Verdict(StrEnum):
    """Why a request got no answer."""

    OWN = "own"
    """by itself, or for its connection: the server went on"""
    DEATH = "death"
    """all that were under way went down together: one of them, or nobody, is to blame"""
    UNTOLD = "untold"
    """nothing else was under way, or nobody can say yet"""


class Flight:
    """A request from when it is sent until its end."""

    __slots__ = ("began", "ended", "ending", "resent", "was_there")

    def __init__(self, began: float, *, was_there: bool = True) -> None:
        self.began: float = began
        self.was_there: bool = was_there
        """whether, when it was sent, the server had answered since it last cut a connection, if ever"""
        self.ended: float | None = None
        self.ending: Ending | None = None
        self.resent: float | None = None
        """when its connection, an idle one, was cut just as it came, so that it was sent anew"""

    def resend(self, now: float) -> None:
        """It is sent over a new connection."""
        self.resent = now


class Unanswered:
    """A request that was cut or silent, with what is known of those that were under way beside it.

    Args:
        flight: the request.
        beside: the others: what becomes of them tells of it.
        went_on: whether one was answered while it was silent.

    """

    __slots__ = ("_beside", "_flight", "went_on")

    def __init__(self, flight: Flight, beside: tuple[Flight, ...], *, went_on: bool) -> None:
        self._flight = flight
        self._beside = beside
        self.went_on: bool = went_on

    @property
    def is_silent(self) -> bool:
        """Whether it was not cut: that has taken its time."""
        return self._flight.ending is Ending.SILENT

    @property
    def was_there(self) -> bool:
        """Whether the server was there, as far as is known, when it was sent: it is not down since before."""
        return self._flight.was_there

    def verdict(self, now: float) -> Verdict:
        """Why it got no answer, as far as that is known at `now`.

        On one that was cut it stays the same from `TOGETHER_SECONDS` after its end.
        """
        if self.went_on:
            return Verdict.OWN
        told = {verdict for other in self._beside if (verdict := self._told_by(other, now)) is not None}
        if Verdict.OWN in told:
            return Verdict.OWN
        return Verdict.DEATH if told == {Verdict.DEATH} else Verdict.UNTOLD

    def _told_by(self, other: Flight, now: float) -> Verdict | None:
        """What the fate of another one says; None: nothing, as if it had not been there."""
        ended, ending = self._flight.ended, other.ending
        assert ended is not None
        if self._flight.ending is Ending.CUT and _was_cut_with(other, ended):
            return Verdict.DEATH
        if ending is Ending.ANSWERED:
            return Verdict.OWN
        if self._flight.ending is Ending.SILENT:
            if ending is None:
                return Verdict.UNTOLD
            return None if ending is Ending.UNTOLD else Verdict.DEATH
        if (now if other.ended is None else other.ended) > ended + TOGETHER_SECONDS:
            return Verdict.OWN
        if ending is None:
            return Verdict.UNTOLD
        return None if ending is Ending.UNTOLD else Verdict.DEATH


def _was_cut_with(other: Flight, ended: float) -> bool:
    """Whether another one was cut together with one, even if it was sent anew and then answered."""
    return other.resent is not None and abs(other.resent - ended) <= TOGETHER_SECONDS


class Flights:
    """The requests of one deployment that are under way, or were lately."""

    def __init__(self) -> None:
        self._under_way: dict[Flight, None] = {}
        self._answered_at: float | None = None
        self._is_there = True
        self.longest: float = 0.0
        """seconds that answered requests have lately taken at the most"""
        self._unanswered: deque[Flight] = deque(maxlen=_REMEMBERED)

    @property
    def count(self) -> int:
        """How many are under way."""
        return len(self._under_way)

    def begin(self, now: float) -> Flight:
        """A request is sent; what stands for it in `end`."""
        flight = Flight(now, was_there=self._is_there)
        self._under_way[flight] = None
        return flight

    def end(self, flight: Flight, now: float, ending: Ending) -> Unanswered | None:
        """It is over; what is to be judged, if it got no answer."""
        del self._under_way[flight]
        flight.ended, flight.ending = now, ending
        if ending in (Ending.ANSWERED, Ending.CUT):
            self._is_there = ending is Ending.ANSWERED
        if ending is Ending.ANSWERED:
            self._answered_at = now
            self.longest = max(now - flight.began, 0.99 * self.longest)
        if ending not in (Ending.CUT, Ending.SILENT):
            return None
        is_silent, answered_at = ending is Ending.SILENT, self._answered_at
        since = flight.began if is_silent else now - TOGETHER_SECONDS
        fallen = (each for each in self._unanswered if each.ended is not None and each.ended >= since)
        beside = (*self._under_way, *fallen)
        self._unanswered.append(flight)
        went_on = is_silent and answered_at is not None and answered_at > flight.began
        return Unanswered(flight, beside, went_on=went_on)
