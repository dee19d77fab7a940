"""Leases: a claimed row stays ours while we work on it, and we know for how long."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TypeVar

import anyio

from litebatch_asgi.errors import StateConflict, StorageUnavailable
from litebatch_asgi.metrics import NO_METRICS, Metrics
from litebatch_asgi.models import Claim
from litebatch_asgi.storage import Storage

T = TypeVar("T")

GIVE_BACK_SECONDS = 2.0
"""How long a claim that is being given back at shutdown may take."""
RENEWED_AT_ONCE = 500
"""claims that are renewed by one statement"""


class Lease:
    """Our hold on one claimed row, measured on the event loop's clock, whatever the wall clocks say.

    The claim was asked for at `since`, by `anyio.current_time()`, or later; None: nobody knows when.
    """

    def __init__(self, storage: Storage, claim: Claim, *, seconds: float, since: float | None) -> None:
        self._storage = storage
        self._claim = claim
        self._seconds = seconds
        self._runs_until = since + seconds if since is not None else 0.0

    async def ensure(self, seconds: float) -> None:
        """Make sure that the lease outlasts a call of so many seconds; it is renewed if it might not.

        Raises `StateConflict` if the claim was lost, `StorageUnavailable` if nobody can tell.
        """
        if self._runs_until - anyio.current_time() < seconds and not await self._renewed():
            raise self.lost()

    async def keep(self) -> None:
        """Renew at each third of the lease; returns once somebody else has the row."""
        while True:
            await anyio.sleep(self._seconds / 3)
            with suppress(StorageUnavailable):  # the fence decides when the answer is stored
                if not await self._renewed():
                    return

    def lost(self) -> StateConflict:
        """What is raised once the row is somebody else's."""
        return StateConflict(f"the claim on {self._claim.name} was lost")

    async def _renewed(self) -> bool:
        asked = anyio.current_time()
        is_held = bool(await self._storage.claims.renew([self._claim], lease_seconds=self._seconds))
        if is_held:
            self._runs_until = asked + self._seconds
        return is_held


class LeaseKeeper:
    """Runs work under leases, and gives back what a database that was away did not take."""

    def __init__(
        self,
        storage: Storage,
        *,
        seconds: float,
        wake: Callable[[], None],
        metrics: Metrics = NO_METRICS,
    ) -> None:
        self._storage = storage
        self._seconds = seconds
        self._wake = wake
        self._metrics = metrics
        self._to_give_back: list[Claim] = []

    async def run(
        self, claim: Claim, work: Callable[[Lease], Awaitable[T]], *, since: float | None = None
    ) -> T:
        """Do work while keeping the claim on its row alive; `since` as for `Lease`.

        Raises `StateConflict`, with the work cancelled, once somebody else has the row. Cancelled from
        outside, the claim is given back at once, for another process to go on; where the work ended because
        the database does not answer, as soon as it does.
        """
        lease = Lease(self._storage, claim, seconds=self._seconds, since=since)
        try:
            async with self._given_back([claim]):
                outcome = await _until_first(lease.keep, partial(work, lease))
            if not outcome:
                raise lease.lost()
        except StateConflict:
            self._metrics.lease_lost(claim)
            raise
        return outcome[0]

    async def run_many(self, claims: Sequence[Claim], work: Callable[[], Awaitable[T]]) -> T:
        """Do work on many rows, some of which it gives back, while keeping the claims on the others alive.

        Rows may be added to `claims` meanwhile.

        Where the work ends early, those that it still holds are given back as by `run`. A row that somebody
        else has taken does not end the work: what is written of it is refused.
        """
        async with self._given_back(claims):
            outcome = await _until_first(partial(self._keep, claims), work)
        return outcome[0]

    async def _keep(self, claims: Sequence[Claim]) -> None:
        while True:
            await anyio.sleep(self._seconds / 3)
            with suppress(StorageUnavailable):  # the fence decides when something is stored
                await self._renew(claims, self._seconds)

    @asynccontextmanager
    async def _given_back(self, claims: Sequence[Claim]) -> AsyncGenerator[None]:
        """Give back what is still held when the work is cancelled, or the database is away."""
        try:
            yield
        except StorageUnavailable:
            self._to_give_back += claims
            self._wake()
            raise
        except anyio.get_cancelled_exc_class():
            with anyio.move_on_after(GIVE_BACK_SECONDS, shield=True), suppress(StorageUnavailable):
                await self._renew(claims, 0)
            raise

    async def give_back(self) -> None:
        """Give back the claims that could not be given back before. Raises `StorageUnavailable`."""
        claims = tuple(self._to_give_back)
        if claims:
            await self._renew(claims, 0)
            del self._to_give_back[: len(claims)]

    async def _renew(self, claims: Sequence[Claim], seconds: float) -> None:
        for start in range(0, len(claims), RENEWED_AT_ONCE):
            some = claims[start : start + RENEWED_AT_ONCE]
            await self._storage.claims.renew(some, lease_seconds=seconds)


async def _until_first(keep: Callable[[], Awaitable[None]], work: Callable[[], Awaitable[T]]) -> list[T]:
    """What the work has come to; nothing if `keep` ended before it."""
    outcome: list[T] = []
    errors: list[Exception] = []

    async def keep_going() -> None:
        await keep()
        group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        group.start_soon(keep_going)
        try:
            outcome.append(await work())
        except Exception as error:
            errors.append(error)
        group.cancel_scope.cancel()
    if errors:
        raise errors[0]
    return outcome
