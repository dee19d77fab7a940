"""Ranges that this process holds, with the requests of theirs that are still to be sent."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import anyio

from litebatch_asgi.jsonl import LiveLine
from litebatch_asgi.live.inputs import ModelNames
from litebatch_asgi.live.places import Place
from litebatch_asgi.models import FileKind, LineRange, LineResult, RangeWrite


class PendingLine:
    """A request that has no result yet."""

    __slots__ = ("attempts", "deaths", "is_doubtful", "line", "pauses", "tokens", "unclear", "waits_since")

    def __init__(self, line: LiveLine) -> None:
        self.line: LiveLine = line
        self.tokens: int = -(-len(line.text) // 4)
        """estimated, of the request"""
        self.attempts: int = 0
        """how often it has failed"""
        self.pauses: int = 0
        """how often it was put off"""
        self.deaths: int = 0
        """how often the whole server has died, or hung, with it: that is nobody's fault as yet"""
        self.unclear: int = 0
        """how often it was cut while it ran alone, from a server that may not have been there"""
        self.is_doubtful: bool = False
        """whether it was unanswered once"""
        self.waits_since: float = 0.0
        """a doubtful one, by the event loop's clock"""


class OpeningRange:
    """A claimed range whose requests are being read.

    Args:
        claim: as it was claimed.
        runs_until: as for `HeldRange`.

    """

    __slots__ = ("claim", "is_lost", "runs_until")

    def __init__(self, claim: LineRange, *, runs_until: float) -> None:
        self.claim: LineRange = claim
        self.runs_until: float = runs_until
        self.is_lost: bool = False
        """as of `HeldRange`"""


class HeldRange:
    """A claimed range. What is written of it goes through a `ResultWriter`.

    Args:
        claim: the range as it was claimed.
        lines: its requests that have no result.
        models: what their model is called.
        runs_until: when the claim ends, by the event loop's clock.

    """

    def __init__(
        self, claim: LineRange, lines: Iterable[LiveLine], models: ModelNames, *, runs_until: float
    ) -> None:
        self.claim: LineRange = claim
        self.models: ModelNames = models
        first = sorted(lines, key=lambda each: each.line != claim.trying)
        self.waiting: deque[PendingLine] = deque(map(PendingLine, first))
        """that comes first which an earlier holder was lost with, so that it counts who else is"""
        self.doubtful: deque[PendingLine] = deque()
        """those that wait behind all others"""
        self.runs_until: float = runs_until
        self.running: int = 0
        """requests that are under way, put off, or whose results are not committed"""
        self._results: list[tuple[LineResult, Place]] = []
        """those that are to be committed, with the places that they take until then"""
        self.trying: int | None = None
        """the request that is to be tried next by itself, which is committed before it is sent"""
        self.is_suspect: bool = any(each.line.line == claim.trying for each in self.waiting)
        """whether the first one is still to be run through that an earlier holder was lost with"""
        self._tried: int | None = None
        """the one of which this holder has committed that last"""
        self.is_lost: bool = False
        """whether somebody else has it, or nobody is to go on with it"""
        self._attempts: set[anyio.CancelScope] = set()

    @property
    def is_finished(self) -> bool:
        """Whether nothing of it is left to be sent or committed."""
        return not (self.waiting or self.doubtful or self.running)

    def can_begin(self, *, is_doubtful: bool) -> bool:
        """Whether one of its requests of this kind may go next, as far as the range is concerned."""
        if not (self.doubtful if is_doubtful else self.waiting):
            return False
        return not (self.claim.one_by_one and (self.running or self.trying is not None))

    def take(self, pending: PendingLine) -> None:
        """The first request of its kind goes."""
        (self.doubtful if pending.is_doubtful else self.waiting).popleft()
        self.running += 1

    def is_to_be_tried(self, line: int) -> bool:
        """Whether it is still to be committed that a request is tried by itself."""
        return self.claim.one_by_one and self._tried != line

    def write(self) -> RangeWrite:
        """What is to be committed of it."""
        results = tuple(result for result, _ in self._results)
        return RangeWrite(range=self.claim, results=results, trying=self.trying)

    def finish(self, result: LineResult, place: Place) -> None:
        """A request has a result, whose place is free once it is committed, or nobody is to commit it."""
        self.is_suspect = False
        if self.is_lost:
            place.free()
        else:
            self._results.append((result, place))

    def written(self, write: RangeWrite, after: LineRange) -> None:
        """Note what was committed."""
        committed = self._results[: len(write.results)]
        del self._results[: len(committed)]
        self.running -= len(committed)
        for _, place in committed:
            place.free()
        if write.trying is not None:
            self._tried = write.trying
            self.trying = None if self.trying == write.trying else self.trying
        self.claim = after

    def begin(self) -> anyio.CancelScope:
        """The scope of an attempt at one of its requests, which ends with the range at the latest."""
        scope = anyio.CancelScope()
        self._attempts.add(scope)
        if self.is_lost:
            scope.cancel()
        return scope

    def end(self, scope: anyio.CancelScope) -> None:
        """The attempt is over."""
        self.is_suspect = False
        self._attempts.discard(scope)

    def drop(self) -> int:
        """Go on with nothing of it: whatever is under way is broken off, and no result waits any more.

        How many answers are lost with it.
        """
        self.is_lost = True
        lost = sum(result.kind is FileKind.OUTPUT for result, _ in self._results)
        self.waiting.clear()
        self.doubtful.clear()
        for _, place in self._results:
            place.free()
        self._results.clear()
        for scope in self._attempts:
            scope.cancel()
        return lost
