"""How far a running batch is: by the course that its account's settings, or a fault, have for it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import partial
from typing import Literal

from .account_context import AccountContext
from .course import Course
from .faults import ArmedFault
from .objects import RequestCounts
from .validation import Examined
from .wakeup import Wakeup


class Running:
    """One batch from the start of its run on.

    A batch with a pace goes by its account's clock, any other one by `running_seconds` of the machine's.
    """

    def __init__(self, context: AccountContext, examined: Examined, armed: ArmedFault | None) -> None:
        self._context = context
        self._examined = examined
        self._armed = armed
        self._course = self.course
        self._begun = False
        self._stopped = False
        self._since = time.monotonic()
        self._rebased_at = context.now()
        self._share = 0.0
        """what was done when the course was changed last, or the batch was looked at"""
        if armed is not None:
            armed.on_removal.append(self.share)

    @property
    def course(self) -> Course:
        """The course in force."""
        if self._armed is not None and not self._armed.removed and self._armed.fault.course is not None:
            return self._armed.fault.course
        return self._context.settings.course

    @property
    def seconds(self) -> float:
        """How long all lines take without a pace."""
        settings = self._context.settings
        return settings.running_seconds + settings.running_seconds_per_line * len(self._examined.offsets)

    @property
    def ending(self) -> Literal["expired", "failed", "cancelled"] | None:
        """How the batch ends by itself; None: `completed`."""
        course = self.course
        return None if course.ends_at is None else course.ends_as

    async def run(self, wakeup: Wakeup, is_cut: Callable[[], bool]) -> None:
        """Run lines until there is nothing left to run and that is not held, or until it is cut short.

        `wakeup` is notified of what may cut it short.
        """
        self._begun = True
        self._since = time.monotonic()
        self._rebased_at = self._context.now()
        while not is_cut() and ((left := self.seconds_left()) != 0.0 or self._is_held()):
            course = self.course
            await self._context.until_changed(
                wakeup, partial(self._is_cut_or_changed, is_cut, course), left or None
            )
        self.stop()

    @property
    def is_done(self) -> bool:
        """Whether a batch with a pace has nothing left to run, however late it is."""
        return self.seconds_left() == 0.0 and self.course.is_paced and not self._is_held()

    def stop(self) -> None:
        """Run no further line."""
        self._share = self.share()
        self._stopped = True

    def share(self) -> float:
        """Share of the lines that are done; it never falls."""
        if not self._begun or self._stopped:
            return self._share
        if not self._course.is_paced:
            self._share = max(self._share, self._examined.done_share * self._elapsed_share())
        else:
            self._share = max(self._share, min(self._unhindered(), self._most()))
            self._rebased_at = self._context.now()
        if self.course != self._course:
            self._course = self.course
            self._rebased_at = self._context.now()
        return self._share

    def share_of_ending(self, *, by_itself: bool) -> float:
        """Share of the lines that are done if the batch ends now, by itself or because it is cut short."""
        course = self.course
        if by_itself and course.ends_at is not None:
            return max(self.share(), course.ends_at)
        return self.share() if course.is_paced else self._examined.done_share

    def counts(self) -> RequestCounts:
        """As the batch shows them while it runs."""
        completed, failed = self._examined.done(self.share())
        return RequestCounts(total=len(self._examined.offsets), completed=completed, failed=failed)

    def seconds_left(self) -> float | None:
        """Seconds until there is nothing left to run, if nothing changes; None: for ever."""
        share, course = self.share(), self.course
        if not course.is_paced:
            return max(0.0, self._since + self.seconds - time.monotonic())
        target = 1.0 if course.ends_at is None else course.ends_at
        if course.stuck_at is not None and course.stuck_at <= target:
            return None
        return max(0.0, target - share) / self._speed()

    def _is_cut_or_changed(self, is_cut: Callable[[], bool], course: Course) -> bool:
        return is_cut() or self.course != course

    def _is_held(self) -> bool:
        return "in_progress" in self._context.settings.hold

    def _elapsed_share(self) -> float:
        """Of `seconds`; a batch that is held has come that far."""
        if self._is_held():
            return 1.0
        return min(1.0, (time.monotonic() - self._since) / self.seconds) if self.seconds else 1.0

    def _unhindered(self) -> float:
        speed, elapsed = self._speed(), max(0.0, self._context.now() - self._rebased_at)
        return 1.0 if math.isinf(speed) else self._share + elapsed * speed

    def _speed(self) -> float:
        """Share of the lines that is done in a second."""
        course = self._course
        if course.rows_per_second is not None:
            return course.rows_per_second / len(self._examined.offsets)
        if course.share_per_second is not None:
            return course.share_per_second
        return 1.0 / self.seconds if self.seconds else math.inf

    def _most(self) -> float:
        stuck, ends = self._course.stuck_at, self._course.ends_at
        return min(1.0 if stuck is None else stuck, 1.0 if ends is None else ends)
