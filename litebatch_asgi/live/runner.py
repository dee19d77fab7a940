"""The runner: claims ranges for the stations of this process, and keeps its claims on them."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial

import anyio
from msgspec.structs import replace

from litebatch_asgi.errors import RequestError, StateConflict, StorageUnavailable
from litebatch_asgi.failpoints import hit
from litebatch_asgi.leases import GIVE_BACK_SECONDS
from litebatch_asgi.live.answers import AnswerBudget
from litebatch_asgi.live.held import HeldRange, OpeningRange
from litebatch_asgi.live.inputs import RangeInputs
from litebatch_asgi.live.sending import LineSender
from litebatch_asgi.live.station import Station
from litebatch_asgi.live.suspects import Suspects
from litebatch_asgi.live.writing import ResultWriter
from litebatch_asgi.load import LoadControl
from litebatch_asgi.loops import beside, for_ever, scattered, sleep_scattered
from litebatch_asgi.models import LineRange, RangeWrite
from litebatch_asgi.runtime import Runtime

logger: logging.Logger = logging.getLogger(__name__)

LONGEST_PAUSE = 1.0
"""seconds between two looks for ranges when nobody wakes the runner, at who else has some, at what is lost"""
RANGES_AT_ONCE = 4
"""ranges that one claim takes for a station that has too few requests"""
MOST_RANGES = 64
"""that one station holds, but for one of each owner who would have none there"""
MOST_BYTES = 16 << 20
"""of the requests that wait at one station, but for one range of each owner who would have none there"""
UNREADABLE_SECONDS = 10.0
"""for which a range is left alone whose requests cannot be read"""
_CLAIM_SECONDS = 10.0
"""for which a claim is waited for"""


class LiveRunner:
    """Runs what is due at the live deployments of the configuration. One a process."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._inputs = RangeInputs(runtime)
        self._answers = AnswerBudget()
        self._suspects = Suspects()
        self._writer = ResultWriter(runtime, self._committed, self._refused)
        self._stations = {id_: self._station(id_) for id_ in runtime.fleet.ids if runtime.fleet.is_live(id_)}
        self._opening: dict[tuple[str, int], OpeningRange] = {}
        self._woken = anyio.Event()

    def _station(self, deployment_id: str) -> Station:
        runtime, settings = self._runtime, self._runtime.settings
        deployment = runtime.fleet.catalog.deployments[deployment_id]
        server = runtime.fleet.live_server(deployment_id)
        timeout = deployment.timeout or settings.live_timeout_seconds
        return Station(
            runtime,
            deployment_id,
            sender=LineSender(server, deployment, settings, timeout=timeout),
            load=LoadControl(
                most=deployment.max_parallel_requests or settings.max_parallel_requests,
                rpm=deployment.rpm,
                tpm=deployment.tpm,
                now=anyio.current_time(),
            ),
            writer=self._writer,
            answers=self._answers,
            suspects=self._suspects,
            timeout=timeout,
        )

    @property
    def stations(self) -> Mapping[str, Station]:
        """Who sends to each of the live deployments."""
        return self._stations

    @property
    def opening(self) -> int:
        """How many claimed ranges are being read."""
        return len(self._opening)

    @property
    def is_needed(self) -> bool:
        """Whether the configuration has live deployments."""
        return bool(self._stations)

    async def run(self) -> None:
        """Run until cancelled; what is under way then is broken off, and given back with all the rest."""
        self._runtime.when_live_jobs_change(self._noted)
        try:
            async with anyio.create_task_group() as group:
                for station in self._stations.values():
                    group.start_soon(station.run)
                group.start_soon(self._writer.run)
                group.start_soon(for_ever, self._share, partial(sleep_scattered, LONGEST_PAUSE))
                group.start_soon(for_ever, self._drop_lost, partial(sleep_scattered, LONGEST_PAUSE))
                shortest = min((self._lease(each) for each in self._stations.values()), default=1.0)
                group.start_soon(for_ever, self._keep, partial(anyio.sleep, shortest / 3))
                await for_ever(partial(self._look, beside(group)), self._rest)
        finally:
            with anyio.move_on_after(GIVE_BACK_SECONDS, shield=True):
                await self._hand_back()

    def _noted(self, closed: str | None) -> None:
        """There may be more to claim than was known, or the job of this id has been closed."""
        for station in self._stations.values():
            station.look_at = station.look_for_others_at = 0.0
            for held in station.held:
                if held.claim.job_id == closed:
                    station.drop(held)
        for opening in self._opening.values():
            if opening.claim.job_id == closed:
                opening.is_lost = True
        self._woken.set()

    async def _rest(self) -> None:
        with anyio.move_on_after(scattered(LONGEST_PAUSE)):
            await self._woken.wait()

    def _committed(self, held: HeldRange, write: RangeWrite, after: LineRange | None) -> None:
        station = self._stations[held.claim.deployment_id]
        station.committed(held, after)
        if after is not None and after.next_check_at is None and not station.runs(after.job_id):
            self._runtime.start(partial(self._ended, after))
        if station.is_short:
            self._woken.set()

    async def _ended(self, line_range: LineRange) -> None:
        """The last range that was here of a job is through: the job may be, and is looked at then."""
        progress = await self._runtime.storage.lines.progress(line_range.job_id)
        if progress.done >= progress.lines:
            self._runtime.refresh_now(line_range.batch_id)

    async def _look(self, start: Callable[..., object]) -> int:
        """Claim ranges where there is room for them, and begin to read them; how many."""
        self._woken = anyio.Event()
        if self._writer.is_stuck:
            return 0  # what has lapsed meanwhile is ours until somebody claims it, and its results come first
        return sum([await self._claim(start, each) for each in self._stations.values() if self._is_due(each)])

    def _is_due(self, station: Station) -> bool:
        """Whether it is time to claim ranges for a station."""
        now = anyio.current_time()
        if station.alone.holds_up(now) or self._count(station) >= 2 * MOST_RANGES:
            return False
        return now >= (station.look_at if self._places(station) else station.look_for_others_at)

    def _places(self, station: Station) -> int:
        """How many ranges a station may get, whoever has them: those to come may be as long as any here."""
        opening = [each.claim.bytes for each in self._opening_at(station)]
        room = MOST_BYTES - station.bytes - sum(opening)
        if room <= 0:
            return 0
        longest = max([1, *opening, *(held.claim.bytes for held in station.held)])
        return max(0, min(MOST_RANGES - self._count(station), RANGES_AT_ONCE, max(1, room // longest)))

    def _count(self, station: Station) -> int:
        """How many ranges a station holds, with those that are just being read."""
        return sum(self._counts(station).values())

    def _counts(self, station: Station) -> Counter[str]:
        """The same, by owner."""
        ours: list[HeldRange | OpeningRange] = [*station.held, *self._opening_at(station)]
        return Counter(each.claim.owner for each in ours)

    def _opening_at(self, station: Station) -> list[OpeningRange]:
        return [each for each in self._opening.values() if each.claim.deployment_id == station.deployment_id]

    def _owners(self, station: Station, *, is_short: bool) -> frozenset[str]:
        """Whom to pass over: where a station has too little, those who have their share of it, else all."""
        counts = self._counts(station)
        share = max(1, MOST_RANGES // max(2, len(counts))) if is_short else 1
        return frozenset(owner for owner, count in counts.items() if count >= share)

    async def _claim(self, start: Callable[..., object], station: Station) -> int:
        """Claim ranges for a station; where it has enough, for owners who have none there.

        Who has many there gets more of them only where nobody else has any. It is looked at again at once
        while it has too little and there is more, and otherwise after a while.
        """
        since, places = anyio.current_time(), self._places(station)
        is_short = station.is_short and places > 0
        avoid = self._owners(station, is_short=is_short)
        claimed = await self._claimed(station, places or 1, avoid)
        if is_short and avoid and not claimed:
            avoid = frozenset[str]()
            claimed = await self._claimed(station, places, avoid)
        if not places:
            station.look_for_others_at = since + LONGEST_PAUSE / 2
        elif not is_short or (len(claimed) < places and not avoid):
            station.look_at = since + LONGEST_PAUSE / 2
        opening = [OpeningRange(each, runs_until=since + self._lease(station)) for each in claimed]
        station.expecting += sum(each.lines for each in claimed)
        self._opening |= {each.claim.key: each for each in opening}
        try:
            if claimed:
                hit("live.claimed")
                if not station.held:
                    await self._share()
        finally:
            for each in opening:
                start(self._open, station, each)
        return len(claimed)

    async def _claimed(self, station: Station, places: int, avoid: frozenset[str]) -> list[LineRange]:
        # Who is cancelled while the database answers would not know what is ours by now.
        with anyio.move_on_after(_CLAIM_SECONDS, shield=True):
            return await self._runtime.storage.lines.claim(
                self._runtime.worker,
                lease_seconds=self._lease(station),
                room={station.deployment_id: places},
                avoid={station.deployment_id: avoid} if avoid else {},
            )
        return []

    def _lease(self, station: Station) -> float:
        """Seconds: two thirds of it outlast a request, for claims are renewed at each third."""
        return max(self._runtime.settings.lease_seconds, 1.6 * station.timeout)

    async def _open(self, station: Station, opening: OpeningRange) -> None:
        """Read the requests of a range that have no result, and let the station send them."""
        held: HeldRange | None = None
        try:
            held = await self._held(opening)
        except Exception as error:
            told = {"job_id": opening.claim.job_id, "range": opening.claim.seq, "error": str(error)}
            is_usual = isinstance(error, RequestError | StateConflict)
            logger.warning("requests cannot be read now", extra=told, exc_info=None if is_usual else error)
        finally:
            station.expecting -= opening.claim.lines
        try:
            if held is not None and not held.is_finished and not opening.is_lost:
                held.runs_until = opening.runs_until
                station.add(held)
            elif not opening.is_lost:
                await self._give_back(opening.claim, after=UNREADABLE_SECONDS if held is None else 0.0)
        finally:  # or its claim would be renewed for ever
            del self._opening[opening.claim.key]

    async def _held(self, opening: OpeningRange) -> HeldRange:
        claim = opening.claim
        hit("live.opening")
        lines, models = await self._inputs.lines(claim)
        done = await self._runtime.storage.lines.results_in(claim)
        left = (line for line in lines if line.line not in done)
        return HeldRange(claim, left, models, runs_until=opening.runs_until)

    async def _share(self) -> None:
        """Learn who else runs requests at the deployments."""
        now = anyio.current_time()
        sharing = await self._runtime.storage.lines.sharing(list(self._stations))
        for id_, station in self._stations.items():
            station.share(sharing.get(id_), self._runtime.worker, now)

    async def _drop_lost(self) -> None:
        """Break off what other processes have closed or claimed: without an answer no write tells of it."""
        ours = [held for station in self._stations.values() for held in station.held]
        if not ours:
            return
        told = await self._runtime.storage.lines.lost([held.claim for held in ours])
        lost = {(*each.key, each.epoch) for each in told}
        for held in ours:
            if (*held.claim.key, held.claim.epoch) in lost:
                self._stations[held.claim.deployment_id].drop(held)

    async def _keep(self) -> None:
        """Renew claims, done at each third of their time; ranges that are ours no more are dropped."""
        for station in self._stations.values():
            opening = self._opening_at(station)
            if station.held or opening:
                await self._renew(station, opening)

    async def _renew(self, station: Station, opening: list[OpeningRange]) -> None:
        asked, seconds = anyio.current_time(), self._lease(station)
        ours: list[HeldRange | OpeningRange] = [*station.held, *opening]
        renewed = await self._runtime.storage.claims.renew(
            [each.claim for each in ours], lease_seconds=seconds
        )
        kept = {(claim.job_id, claim.seq, claim.epoch) for claim in renewed if isinstance(claim, LineRange)}
        for each in ours:
            if (*each.claim.key, each.claim.epoch) in kept:
                each.runs_until = asked + seconds
            elif isinstance(each, HeldRange):
                station.drop(each)
            else:
                each.is_lost = True

    def _refused(self, held: HeldRange) -> None:
        """What came of a range cannot be written: it is left alone for a while."""
        told = {"job_id": held.claim.job_id, "range": held.claim.seq}
        logger.error("results cannot be written", extra=told)
        self._stations[held.claim.deployment_id].drop(held)
        self._runtime.start(partial(self._give_back, held.claim, after=UNREADABLE_SECONDS))

    async def _give_back(self, line_range: LineRange, *, after: float = 0.0) -> None:
        """Let somebody go on with a range of which nothing is under way, once the database answers."""
        while True:
            due = self._runtime.now() + timedelta(seconds=after)
            try:
                await self._runtime.storage.lines.write([RangeWrite(range=line_range, give_back=due)])
            except StorageUnavailable:
                await sleep_scattered(LONGEST_PAUSE)
            else:
                return

    async def _hand_back(self) -> None:
        """Commit what has come, and give back all ranges: who begins anew claims them anew."""
        now = self._runtime.now()
        writes = [
            replace(held.write(), trying=None, give_back=now)
            for station in self._stations.values()
            for held in station.held
        ]
        openings = (each.claim for each in self._opening.values() if not each.is_lost)
        writes += [RangeWrite(range=each, give_back=now) for each in openings]
        is_written = False
        try:
            await self._runtime.storage.lines.write(writes)
            is_written = True
        except StorageUnavailable as error:
            logger.info("claims on ranges run out by themselves: no database", extra={"error": str(error)})
        finally:
            self._opening.clear()
            for station in self._stations.values():
                for held in station.held:
                    station.drop(held, is_written=is_written)
