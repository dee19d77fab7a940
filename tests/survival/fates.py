"""What happens to a replica, again and again: it is started, and it dies, or is stopped for a while."""

from __future__ import annotations

import random
import re
import signal
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import anyio
import msgspec

import litebatch_asgi
from tests.survival.server import Server

PATIENCE_SECONDS = 4.0
"""how long a replica may take to come to a failpoint"""
LIFE_SECONDS = 3.0
"""the longest that one lives which is not to come to a failpoint"""
HAS_AN_ANSWER = (
    *("upload.answered", "place.answered", "poll.ended", "settle.read", "settle.before"),
    *("deliver.taken", "deliver.before_mark", "cancel.answered", "handon.derived"),
    *("deliver.webhook_claimed", "deliver.webhook_taken"),
    *("live.sending", "live.answered", "live.writing", "live.closing"),
)
"""failpoints at which a replica knows what is not written yet: the worst to be stopped at"""
APART = (
    *("adopt.file_stored", "reprice."),
    *("handon.gone", "handon.halved", "retry.", "canary.failing", "canary.failed"),
)
"""what the names of failpoints begin with that replicas here have no reason to pass"""
TRANSLATING = frozenset({"content.named", "upload.translated", "place.translated", "settle.decoded"})
"""failpoints that are passed only where a deployment does not speak OpenAI"""
RESCUING = frozenset(
    {"copy.wanted", "handon.derived", "stop.stored", "upload.tile_begun", "upload.tile_taken"}
)
"""failpoints that are passed only where inputs are several tiles, and jobs are rescued"""
LIVE = ("live.", "canary.")
"""what the names of failpoints begin with that are passed only where there are live deployments"""
POISONED = frozenset({"live.alone"})
"""failpoints that are passed only where lines let their server die"""
MOST_STARTS = 5
"""that fail with nothing in the way"""
TERM_SECONDS = 15.0
"""how long it is waited for when it was asked to end"""


class Features(msgspec.Struct, frozen=True, kw_only=True):
    """What a round has, and so which failpoints its replicas pass."""

    translates: bool = True
    """whether a deployment does not speak OpenAI"""
    rescues: bool = True
    """whether inputs are several tiles, and jobs are rescued"""
    live: bool = True
    """whether there are live deployments"""
    poison: bool = True
    """whether lines let the servers of these die"""


def failpoints(features: Features) -> list[str]:
    """The names of all failpoints that a replica passes, read from the source."""
    folder = Path(litebatch_asgi.__file__).parent
    texts = [path.read_text() for path in folder.rglob("*.py")]
    names = {name for text in texts for name in re.findall(r'\b(?:hit|passing)\("([\w.]+)"\)', text)}
    names -= frozenset[str]() if features.translates else TRANSLATING
    names -= frozenset[str]() if features.rescues else RESCUING
    names -= frozenset[str]() if features.poison else POISONED
    apart = APART if features.live else (*APART, *LIVE)
    return sorted(name for name in names if not name.startswith(apart))


EVERYTHING = Features()


class Toll:
    """How often what has happened to replicas."""

    def __init__(self, features: Features = EVERYTHING) -> None:
        self.places = Counter(dict.fromkeys(failpoints(features), 0))
        """kills by failpoint"""
        self._armed = Counter(dict.fromkeys(self.places, 0))
        self.random_kills = 0
        self.stops: Counter[str] = Counter()
        """for longer than the lease, by failpoint or `at random`"""
        self.terminations = 0
        """asked to end, which they did"""
        self.failed_starts = 0
        """ended by themselves before they served, for they could not have the database"""
        self.crashes: list[str] = []
        """last words of those that served and ended by themselves"""
        self.restarts: Counter[str] = Counter()
        """of the database, by mode"""
        self.clones = 0
        """of the database, beside which the original went on"""
        self.restores = 0
        """of the database, from a backup"""

    @property
    def kills(self) -> int:
        """Processes killed with -9."""
        return self.places.total() + self.random_kills

    def next_place(self, chance: random.Random) -> str:
        """One of the failpoints that had their turn least often, be they passed then or not.

        Where there are live deployments, every other time one of theirs.
        """
        of_live = [name for name in self._armed if name.startswith(LIVE)]
        names = of_live if of_live and chance.random() < 0.5 else self._armed
        among = sorted(names, key=lambda name: (self._armed[name], chance.random()))
        name = chance.choice(among[:4])
        self._armed[name] += 1
        return name

    def add(self, other: Toll) -> None:
        """Count those of another as well."""
        self.places.update(other.places)
        self.restarts.update(other.restarts)
        self.random_kills += other.random_kills
        self.stops.update(other.stops)
        self.terminations += other.terminations
        self.failed_starts += other.failed_starts
        self.crashes += other.crashes
        self.clones += other.clones
        self.restores += other.restores


class Fate:
    """What becomes of one replica."""

    def __init__(
        self,
        server: Server,
        toll: Toll,
        chance: random.Random,
        *,
        lease_seconds: float,
        stop_share: float,
    ) -> None:
        self._server = server
        self._toll = toll
        self._chance = chance
        self._lease = lease_seconds
        self._stop_share = stop_share

    async def run(self) -> None:
        """Let it live and die until cancelled."""
        while True:
            place, action = self._plan()
            times = self._chance.choice((1, 1, 1, 2))
            await self._server.start(f"{place}={times}*{action}" if place is not None else "")
            if await self._server.ready() or self._server.is_stopped:
                await self._live(place, action)
            await self._end(place)

    def _plan(self) -> tuple[str | None, str]:
        """A failpoint, or None for a random moment; and what happens there."""
        if self._chance.random() < 0.35:
            return None, "kill"
        if self._chance.random() < self._stop_share:
            return self._chance.choice([name for name in HAS_AN_ANSWER if name in self._toll.places]), "stop"
        return self._toll.next_place(self._chance), "kill"

    async def _live(self, place: str | None, action: str) -> None:
        if place is None:
            await self._server.ended_within(self._chance.random() * LIFE_SECONDS)
            if self._chance.random() < 0.5:
                self._server.signal(signal.SIGSTOP)
                await self._lie_still("at random")
        elif action == "kill":
            await self._server.ended_within(PATIENCE_SECONDS)
        elif await self._server.stopped_within(PATIENCE_SECONDS):
            await self._lie_still(place)

    async def _lie_still(self, place: str) -> None:
        """Let a stopped replica go on when its leases are over, and live on for a while."""
        self._toll.stops[place] += 1
        since = time.time()
        try:
            await anyio.sleep(self._lease * (1.1 + self._chance.random()))
        finally:
            self._server.signal(signal.SIGCONT)
            self._server.lives[-1].stops.append((since, time.time()))
        await self._server.ended_within(self._chance.random())

    async def _end(self, place: str | None) -> None:
        if place is None and self._server.is_alive and self._chance.random() < 0.25:
            self._server.signal(signal.SIGTERM)
            self._server.lives[-1].told_to_end_at = time.time()
            await self._server.ended_within(TERM_SECONDS)
        code = self._server.process.poll()
        if code is None:
            await self._server.kill()
            self._toll.random_kills += 1
        elif code == 0:
            self._toll.terminations += 1
        elif code == -signal.SIGKILL and place is not None:
            self._toll.places[place] += 1
        elif self._server.serves:
            told = f"a replica has ended by itself with exit code {code}: {self._server.log[-300:]}"
            self._toll.crashes.append(told)
        else:
            self._toll.failed_starts += 1
        self._server.serves = False


async def revive(servers: Sequence[Server]) -> list[str]:
    """Start all of them at once, with nothing in their way; what stood against it all the same."""
    for server in servers:
        await server.start()
    wrong: list[str] = []
    for server in servers:
        while not await server.ready():
            wrong.append(f"a replica does not start: {server.log[-300:]}")
            assert len(wrong) < MOST_STARTS, wrong
            await server.start()
    return wrong
