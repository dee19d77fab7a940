"""The background loop: claims what is due and carries it on. Any number of processes may run one."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import TypeAlias

import anyio

from litebatch_asgi.batches.dispatching import JobDispatcher
from litebatch_asgi.batches.rounds import LIST_FROM, SINGLY, LookRounds
from litebatch_asgi.errors import StateConflict, StorageUnavailable
from litebatch_asgi.files.discarding import Discarder
from litebatch_asgi.files.expiry import Sweeper
from litebatch_asgi.files.reconciling import CopyReconciler
from litebatch_asgi.loops import beside, for_ever, scattered, sleep_scattered
from litebatch_asgi.models import FileCopy, Job, Work
from litebatch_asgi.operators import Operators
from litebatch_asgi.runtime import Runtime
from litebatch_asgi.shares import SharedPlaces

logger: logging.Logger = logging.getLogger(__name__)

ROOM = {Work.PLACE: 8, Work.SEARCH: 32, Work.SETTLE: 8}
"""jobs that are worked on at a time for each deployment, by kind of work: none waits for another kind"""
COPIES_AT_ONCE = 8
"""copies that are looked after at a time for each deployment"""
LOOKS_AT_ONCE = 500
"""running jobs that one claim takes for a round of looks"""
LONGEST_ROUND = 10_000
"""running jobs that one round of looks takes together"""
LONGEST_PAUSE = 1.0
"""seconds between two looks for due rows when nobody wakes the loop"""
DRAIN_SECONDS = 30.0
"""between two looks for jobs that have come to drained deployments"""
SWEPT_AT_ONCE = 100
"""results of live jobs that one transaction removes: each may have megabytes"""
SWEEP_SECONDS = 300.0
"""between two looks for expired files that no copy calls for"""
Place: TypeAlias = tuple[Work | None, str | None]
"""a kind of work (None: copies) at a deployment"""


class Reconciler:
    """One loop; what it claims runs beside it, bounded for each deployment, so that none delays another.

    Of a deployment's places owners have their shares: see `SharedPlaces`.
    """

    def __init__(self, runtime: Runtime, dispatcher: JobDispatcher) -> None:
        self._runtime = runtime
        self._dispatcher = dispatcher
        self._rounds = LookRounds(runtime, dispatcher)
        self._copy_reconciler = CopyReconciler(runtime)
        self._sweeper = Sweeper(runtime)
        self._discarder = Discarder(runtime)
        self._operators = Operators(runtime.storage, runtime.settings)
        self._places = SharedPlaces[Place]()
        self._in_round: set[str] = set()

    async def run(self) -> None:
        """Go on until cancelled; what is under way then gives its claims back."""
        pause = min(LONGEST_PAUSE, self._runtime.fleet.min_poll_seconds(None))
        async with anyio.create_task_group() as group:
            group.start_soon(for_ever, self._sweeper.sweep, partial(sleep_scattered, SWEEP_SECONDS))
            group.start_soon(for_ever, self._operators.stop_drained, partial(sleep_scattered, DRAIN_SECONDS))
            lapse = min(SWEEP_SECONDS, self._runtime.settings.lease_seconds)
            group.start_soon(for_ever, self._discarder.step, partial(sleep_scattered, lapse))
            group.start_soon(for_ever, self._sweep_lines, partial(sleep_scattered, lapse))
            look = partial(self._look, beside(group))
            await for_ever(look, lambda: self._runtime.woken(scattered(pause)))

    async def _sweep_lines(self) -> bool:
        """Remove some results of live jobs that nobody needs any more; whether there may be more."""
        return await self._runtime.storage.lines.sweep(limit=SWEPT_AT_ONCE) > 0

    async def _look(self, start: Callable[..., object]) -> int:
        await self._runtime.hand_over()
        ids = [*self._runtime.fleet.ids, *self._runtime.presence.gone]
        due: dict[Work | None, list[str | None]] = defaultdict(list)
        for work, deployment_id in await self._runtime.storage.claims.due([None, *ids]):
            due[work].append(deployment_id)
        claimed = 0
        for work, most in ROOM.items():
            # those of no deployment yet may all be on their way to one that is slow
            room = {id_: most * len(ids) if id_ is None else most for id_ in due[work]}
            claimed += await self._claim_jobs(start, work, room)
        claimed += await self._claim_looks(start, due[Work.LOOK])
        return claimed + await self._claim_copies(start, due[None])

    async def _claim_jobs(
        self, start: Callable[..., object], work: Work, room: Mapping[str | None, int]
    ) -> int:
        since = anyio.current_time()
        rooms = {id_: self._places.room((work, id_), places) for id_, places in room.items()}
        jobs = await self._runtime.storage.claims.claim_jobs(
            self._runtime.worker,
            lease_seconds=self._runtime.settings.lease_seconds,
            room={id_: each.places for id_, each in rooms.items()},
            work=work,
            avoid={id_: each.enough for id_, each in rooms.items()},
        )
        for job in jobs:
            dispatch = partial(self._dispatcher.dispatch, job, since=since)
            self._start(start, (work, job.deployment_id), job.owner, dispatch)
        return len(jobs)

    async def _claim_looks(self, start: Callable[..., object], ids: Sequence[str | None]) -> int:
        """Claim the running jobs that are due: many of one deployment are looked at in one round.

        While a round goes on, a few more are looked at beside it, one by one.
        """
        since = anyio.current_time()
        room: dict[str | None, int] = {id_: self._looks_free(id_) for id_ in ids}
        claimed: dict[str, list[Job]] = defaultdict(list)
        while room:
            jobs = await self._runtime.storage.claims.claim_jobs(
                self._runtime.worker,
                lease_seconds=self._runtime.settings.lease_seconds,
                room=room,
                work=Work.LOOK,
            )
            taken = Counter(job.deployment_id for job in jobs)
            for job in jobs:
                assert job.deployment_id is not None
                claimed[job.deployment_id].append(job)
            room = {
                id_: LOOKS_AT_ONCE
                for id_, rows in claimed.items()
                if taken[id_] == LOOKS_AT_ONCE and len(rows) < LONGEST_ROUND
            }
        for deployment_id, jobs in claimed.items():
            has_list = not self._runtime.fleet.is_live(deployment_id)
            if has_list and len(jobs) >= LIST_FROM and deployment_id not in self._in_round:
                self._in_round.add(deployment_id)
                self._start(start, (None, None), "", partial(self._round, deployment_id, jobs, since))
                continue
            for job in jobs:
                look = partial(self._dispatcher.dispatch, job, since=since)
                self._start(start, (Work.LOOK, deployment_id), job.owner, look)
        return sum(map(len, claimed.values()))

    def _looks_free(self, deployment_id: str | None) -> int:
        free = SINGLY - self._places.taken((Work.LOOK, deployment_id))
        if deployment_id is not None and self._runtime.fleet.is_live(deployment_id):
            return free  # there is no list of what we run ourselves
        return LOOKS_AT_ONCE if free > 0 and deployment_id not in self._in_round else free

    async def _round(self, deployment_id: str, jobs: Sequence[Job], since: float) -> None:
        try:
            look = partial(self._rounds.run, deployment_id, jobs, since=since)
            await self._runtime.leases.run_many(jobs, look)
        except StorageUnavailable as error:
            told = {"deployment": deployment_id, "jobs": len(jobs), "error": str(error)}
            logger.warning("a round of looks ends: no database", extra=told)
        finally:
            self._in_round.discard(deployment_id)

    async def _claim_copies(self, start: Callable[..., object], due: Sequence[str | None]) -> int:
        fleet, since = self._runtime.fleet, anyio.current_time()
        rooms = {id_: self._places.room((None, id_), COPIES_AT_ONCE) for id_ in fleet.ids if id_ in due}
        copies = await self._runtime.storage.claims.claim_copies(
            self._runtime.worker,
            lease_seconds=self._runtime.settings.lease_seconds,
            room={id_: each.places for id_, each in rooms.items()},
            avoid={id_: each.enough for id_, each in rooms.items()},
        )
        for copy in copies:
            self._start(start, (None, copy.deployment_id), copy.owner, partial(self._look_after, copy, since))
        return len(copies)

    def _start(
        self, start: Callable[..., object], place: Place, owner: str, work: Callable[[], Awaitable[None]]
    ) -> None:
        self._places.take(place, owner)
        start(self._run, place, owner, work)

    async def _run(self, place: Place, owner: str, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except Exception:
            logger.exception("a due row could not be looked after", extra={"deployment": place[1]})
        finally:
            self._places.give_back(place, owner)
            self._runtime.wake()

    async def _look_after(self, copy: FileCopy, since: float) -> None:
        try:
            await self._runtime.leases.run(copy, partial(self._copy_reconciler.look, copy), since=since)
        except StateConflict as error:
            logger.info("somebody else has a copy", extra={"file_id": copy.file_id, "error": str(error)})
        except StorageUnavailable as error:
            logger.warning("a copy rests: no database", extra={"file_id": copy.file_id, "error": str(error)})


class Handover:
    """What a replica without the loop runs: it writes down what it asks of those that have one."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def run(self) -> None:
        """Go on until cancelled; costs the database nothing while nothing is asked."""
        await for_ever(self._runtime.hand_over, self._runtime.woken)
