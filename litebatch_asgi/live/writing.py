"""Writing: results of many ranges are committed together, some times a second."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

import anyio

from litebatch_asgi.errors import StorageUnavailable
from litebatch_asgi.failpoints import hit
from litebatch_asgi.live.held import HeldRange
from litebatch_asgi.loops import for_ever
from litebatch_asgi.models import LineRange, RangeWrite
from litebatch_asgi.runtime import Runtime

logger: logging.Logger = logging.getLogger(__name__)

USUAL_SECONDS = 0.05
"""from one commit to the next"""
SHORTEST_SECONDS = 0.027
"""likewise, where nothing else can begin before one: less than 40 a second"""
COMMIT_SHARE = 0.25
"""of the time, at most, that commits may take"""
MOST_RESULTS = 1000
"""of one commit"""
MOST_BYTES = 8 << 20
"""of the rows of one commit, unless a single one has more"""


class Committed(Protocol):
    """Who is told of commits."""

    def __call__(self, held: HeldRange, write: RangeWrite, after: LineRange | None) -> None:
        """What was written of a range, and what that is now; None: it was not ours any more."""
        ...


class ResultWriter:
    """Commits what ranges have to be written. Where the database does not answer it tries until it does.

    What was written and not answered is written once more: a request that has a result keeps it. Where a
    write fails for another reason, ranges are written one at a time: only the one to blame is refused.

    Args:
        committed: is told of what was committed.
        refused: is told of a range that cannot be written.

    """

    def __init__(
        self, runtime: Runtime, committed: Committed, refused: Callable[[HeldRange], object]
    ) -> None:
        self._runtime = runtime
        self._committed = committed
        self._refused = refused
        self._one_by_one = 0
        """so many writes are to have one range each"""
        self._waiting: dict[tuple[str, int], HeldRange] = {}
        self._news = anyio.Event()
        self._hurry = anyio.Event()
        self._began = 0.0
        self._took = 0.0
        self.is_stuck: bool = False
        """whether the database has not taken what was to be committed last"""

    def add(self, held: HeldRange) -> None:
        """A range has something to be written, which is read once it is."""
        self._waiting[held.claim.key] = held
        self._news.set()

    def hurry(self) -> None:
        """Nothing begins any more before what is waiting is committed."""
        self._hurry.set()

    async def run(self) -> None:
        """Commit until cancelled."""
        await for_ever(self._step, self._rest)

    async def _rest(self) -> None:
        await self._news.wait()

    async def _step(self) -> bool:
        """Commit once it is time to; whether there is more."""
        if not self._news.is_set():
            return False
        since = anyio.current_time() - self._began
        shortest = max(SHORTEST_SECONDS, self._took / COMMIT_SHARE)
        if since < shortest:
            await anyio.sleep(shortest - since)
        with anyio.move_on_after(max(USUAL_SECONDS, shortest) - max(since, shortest)):
            await self._hurry.wait()
        await self.write()
        return self._news.is_set()

    async def write(self) -> None:
        """Commit what is waiting, as far as one transaction is to hold it. Raises `StorageUnavailable`."""
        self._hurry = anyio.Event()
        self._began = anyio.current_time()
        chosen = self._chosen()
        if not chosen:
            self.is_stuck = False
            return
        try:
            hit("live.writing")
            after = await self._runtime.storage.lines.write([write for _, write in chosen])
            hit("live.written")
        except BaseException as error:
            self._failed([held for held, _ in chosen], error)
            raise
        self.is_stuck = False
        self._one_by_one = max(0, self._one_by_one - 1)
        self._took = anyio.current_time() - self._began
        for (held, write), now in zip(chosen, after, strict=True):
            if now is not None:
                held.written(write, now)
            self._committed(held, write, now)

    def _failed(self, chosen: list[HeldRange], error: BaseException) -> None:
        is_unexpected = isinstance(error, Exception) and not isinstance(error, StorageUnavailable)
        if is_unexpected and len(chosen) == 1 and self._one_by_one:
            self._one_by_one -= 1
            self._refused(chosen[0])
            return
        self.is_stuck = True
        if is_unexpected:
            self._one_by_one = len(chosen)
        for held in chosen:
            self.add(held)

    def _chosen(self) -> list[tuple[HeldRange, RangeWrite]]:
        chosen: list[tuple[HeldRange, RangeWrite]] = []
        results = size = 0
        self._news = anyio.Event()
        for key, held in list(self._waiting.items()):
            write = held.write()
            own = sum(len(each.row) for each in write.results)
            is_full = results + len(write.results) > MOST_RESULTS or size + own > MOST_BYTES
            if chosen and (is_full or self._one_by_one):
                self._news.set()
                self._hurry.set()
                break
            del self._waiting[key]
            if write.results or write.trying is not None:
                chosen.append((held, write))
                results, size = results + len(write.results), size + own
        return chosen
