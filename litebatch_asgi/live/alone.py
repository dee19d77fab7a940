"""Alone: requests that may have killed their server run with nothing beside them, in any process.

Each has the deployment to itself for `EXCLUSIVE_SECONDS` at the most, the time included in which what is
under way there comes to its end. Then others go on beside it, and for three times as long nobody is held up
again.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import anyio

from litebatch_asgi.errors import StorageUnavailable
from litebatch_asgi.failpoints import hit
from litebatch_asgi.live.held import HeldRange, PendingLine
from litebatch_asgi.runtime import Runtime

logger: logging.Logger = logging.getLogger(__name__)

EXCLUSIVE_SECONDS = 30.0
"""for which one request may hold up all others"""
DRAIN_SECONDS = 15.0
"""of these, at the most, it waits for what is under way to end"""
LEARN_SECONDS = 1.5
"""within which other processes know that nothing is to begin"""
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 8.0
"""from a request that was cut until the next one, which each time is twice as long"""
OTHERS_SHARE = 3.0
"""times as long as one request has held up others these go on before the next one does"""


class Suspect(NamedTuple):
    """A request that is to run alone."""

    held: HeldRange
    pending: PendingLine


class Alone:
    """The requests of one deployment that are to run alone, and whether they may now.

    Args:
        changed: is called when there is news.

    """

    def __init__(self, runtime: Runtime, deployment_id: str, *, changed: Callable[[], None]) -> None:
        self._runtime = runtime
        self._deployment_id = deployment_id
        self._changed = changed
        self._suspects: deque[Suspect] = deque()
        self._since: float | None = None
        """when the deployment was asked for, which is ours; None: it is not"""
        self._turn = 0
        self._is_running = False
        self._has_run = False
        """whether one has had the deployment since it is ours"""
        self._rests_until = 0.0
        self._pause = 0.0
        self._pauses_until = 0.0
        self._elsewhere_since: float | None = None
        self._is_asking = False

    @property
    def is_elsewhere(self) -> bool:
        """Whether another process has the deployment for itself."""
        return self._elsewhere_since is not None

    @property
    def is_ours(self) -> bool:
        """Whether this process has it."""
        return self._since is not None

    @property
    def count(self) -> int:
        """How many are waiting."""
        while self._suspects and self._suspects[0].held.is_lost:
            self._suspects.popleft()
        return len(self._suspects)

    @property
    def tokens(self) -> int:
        """Of the first of them."""
        return self._suspects[0].pending.tokens if self.count else 0

    def add(self, held: HeldRange, pending: PendingLine) -> None:
        """A request is to run alone."""
        self._suspects.append(Suspect(held, pending))

    def told(self, *, is_elsewhere: bool, now: float) -> None:
        """Another process has the deployment for itself, or none has."""
        if is_elsewhere:
            self._elsewhere_since = now if self._elsewhere_since is None else self._elsewhere_since
        elif self._elsewhere_since is not None:
            self._rests_until = now + OTHERS_SHARE * (now - self._elsewhere_since)
            self._elsewhere_since = None

    def holds_up(self, now: float) -> bool:
        """Whether nothing else may begin now."""
        if self._elsewhere_since is not None:
            # However long nobody can say whether that is over.
            return now < self._elsewhere_since + EXCLUSIVE_SECONDS + LEARN_SECONDS
        return self._since is not None and now < self._since + EXCLUSIVE_SECONDS

    def take(
        self, start: Callable[..., object], now: float, *, are_others: bool, is_quiet: bool, is_ready: bool
    ) -> Suspect | None:
        """The request that is to run now; the deployment is asked for or given back where it is time to.

        Args:
            start: begins a task.
            now: by the event loop's clock.
            are_others: whether others would begin, here or in another process.
            is_quiet: whether nothing is under way, as far as is known.
            is_ready: whether the deployment takes a request now.

        """
        if self._since is None:
            is_due = now >= self._pauses_until and (now >= self._rests_until or not are_others)
            if self.count and not self.is_elsewhere and is_due:
                self._ask(start, self._take)
            return None
        held_for = now - self._since
        has_next = (
            self.count > 0 and now >= self._pauses_until and not (self._has_run and held_for >= DRAIN_SECONDS)
        )
        if held_for >= EXCLUSIVE_SECONDS or not (self._is_running or has_next):
            self._rests_until = now + OTHERS_SHARE * held_for
            self._since, self._is_running, self._has_run = None, False, False
            self._ask(start, self._end)
            return None
        if self._is_running or not is_ready or not (is_quiet or held_for >= DRAIN_SECONDS):
            return None
        self._is_running = self._has_run = True
        self._turn += 1
        return self._suspects.popleft()

    @property
    def turn(self) -> int:
        """The number of the request that was taken last."""
        return self._turn

    def ended(self, turn: int, now: float, *, was_cut: bool) -> None:
        """It is over. After one that was cut the server has time to come back, each time more."""
        if turn == self._turn:
            self._is_running = False
        self._pause = (
            min(max(FIRST_PAUSE_SECONDS, 2 * self._pause), LONGEST_PAUSE_SECONDS) if was_cut else 0.0
        )
        self._pauses_until = now + self._pause

    def waited(self, now: float) -> float:
        """Seconds since the deployment is ours."""
        return now - self._since if self._since is not None else 0.0

    def _ask(self, start: Callable[..., object], call: Callable[[], Awaitable[None]]) -> None:
        if not self._is_asking:
            self._is_asking = True
            start(self._asked, call)

    async def _asked(self, call: Callable[[], Awaitable[None]]) -> None:
        told = {"deployment": self._deployment_id, "requests": len(self._suspects)}
        try:
            await call()
        except StorageUnavailable as error:
            told["error"] = str(error)
            logger.warning("requests that are to run alone wait: no database", extra=told)
            await anyio.sleep(1)
        except Exception:
            logger.exception("requests that are to run alone wait", extra=told)
            await anyio.sleep(1)
        finally:
            self._is_asking = False
            self._changed()

    async def _take(self) -> None:
        asked = anyio.current_time()
        lines, worker = self._runtime.storage.lines, self._runtime.worker
        if await lines.take_alone(self._deployment_id, worker, lease_seconds=EXCLUSIVE_SECONDS):
            told = {"deployment": self._deployment_id, "requests": len(self._suspects)}
            logger.warning("a request that may have killed the server runs alone", extra=told)
            self._since = asked
            hit("live.alone")
        else:
            self.told(is_elsewhere=True, now=asked)

    async def _end(self) -> None:
        await self._runtime.storage.lines.end_alone(self._deployment_id, self._runtime.worker)
