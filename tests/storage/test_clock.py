"""Whose clock counts: the database's, however wrong a process's own may be."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest

from litebatch_asgi import clock as clock_module
from litebatch_asgi.catalog import Catalog
from litebatch_asgi.clock import Clock
from litebatch_asgi.costs import PriceBook
from litebatch_asgi.errors import StateConflict, StorageUnavailable
from litebatch_asgi.fleet import Fleet, load_factories
from litebatch_asgi.leases import Lease
from litebatch_asgi.models import Claim, Deployment, Settings, Work
from litebatch_asgi.runtime import Runtime
from litebatch_asgi.spool import Spooler
from litebatch_asgi.stores import ContentStores
from litebatch_asgi.strategies import STRATEGIES
from litebatch_asgi.testing import MemoryStorage
from litebatch_asgi.testing.conformance.base import state_of, stored_job
from tests.harness import running_gateway

LEASE_SECONDS = 60.0
ROOM: dict[str | None, int] = {"east": 9}


class Slow(MemoryStorage):
    """A database that takes its time, and whose clock stands where it is told."""

    def __init__(self, moment: datetime) -> None:
        super().__init__()
        self.moment = moment
        self.renewals = 0
        self._renew = self.claims.renew
        self.claims.renew = self.renew  # type: ignore[method-assign]

    async def now(self) -> datetime:
        return self.moment

    async def renew(self, claims: Sequence[Claim], *, lease_seconds: float) -> list[Claim]:
        self.renewals += 1
        return await self._renew(claims, lease_seconds=lease_seconds)


def shifted(monkeypatch: pytest.MonkeyPatch, by: timedelta) -> None:
    monkeypatch.setattr(clock_module, "process_now", lambda: datetime.now(UTC) + by)


def difference(moment: datetime) -> timedelta:
    return abs(moment - datetime.now(UTC))


@pytest.mark.parametrize("minutes", [-2, 2, 60])
async def test_a_wrong_clock_is_set_right(monkeypatch: pytest.MonkeyPatch, minutes: int) -> None:
    shifted(monkeypatch, timedelta(minutes=minutes))
    storage = MemoryStorage()
    await storage.open()
    clock = Clock(storage)
    assert difference(clock.now()) > timedelta(minutes=1)
    await clock.synchronise()
    assert difference(clock.now()) < timedelta(seconds=1)


async def test_what_the_round_trip_explains_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = [datetime(2026, 1, 1, tzinfo=UTC)] * 9
    monkeypatch.setattr(clock_module, "process_now", moments.pop)
    monkeypatch.setattr(anyio, "current_time", iter([0.0, 1.0, 1.0, 2.0, 2.0, 3.0]).__next__)
    storage = Slow(moments[0] + timedelta(seconds=1))
    clock = Clock(storage)
    await clock.synchronise()
    assert clock.now() == moments[0]
    storage.moment += timedelta(seconds=10)
    await clock.synchronise()
    assert clock.now() == moments[0] + timedelta(seconds=10.5)
    storage.moment -= timedelta(seconds=0.4)
    await clock.synchronise()
    assert clock.now() == moments[0] + timedelta(seconds=10.5)


async def test_it_goes_on_while_the_database_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock_module, "SYNCHRONISE_SECONDS", 0.001)
    shifted(monkeypatch, timedelta(minutes=2))
    storage = MemoryStorage()
    clock = Clock(storage)
    with pytest.raises(StorageUnavailable):
        await clock.synchronise()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(clock.run)
        await anyio.sleep(0.01)
        await storage.open()
        with anyio.fail_after(20):
            while difference(clock.now()) > timedelta(seconds=1):  # noqa: ASYNC110 - nothing tells
                await anyio.sleep(0.001)
        tasks.cancel_scope.cancel()


async def test_it_outlives_what_nobody_expected(caplog: pytest.LogCaptureFixture) -> None:
    """It runs beside all else, which would end with it."""
    clock, failed = Clock(MemoryStorage()), anyio.Event()

    async def fail() -> None:
        failed.set()
        raise RuntimeError("once")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clock_module, "SYNCHRONISE_SECONDS", 0.001)
        patch.setattr(clock, "synchronise", fail)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(clock.run)
            for _ in range(2):
                failed = anyio.Event()
                with anyio.fail_after(20):
                    await failed.wait()
            tasks.cancel_scope.cancel()
    assert "RuntimeError: once" in caplog.text


@pytest.mark.parametrize("minutes", [-2, 2])
async def test_a_replica_whose_clock_is_wrong_works_as_any_other(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, minutes: int
) -> None:
    shifted(monkeypatch, timedelta(minutes=minutes))
    async with running_gateway(tmp_path) as gateway:
        file = await gateway.upload()
        batch = await gateway.create(file.id)
        assert abs(batch.created_at - datetime.now(UTC).timestamp()) < 10
        ended = await gateway.ended(batch.id)
        assert ended.status == "completed"


@asynccontextmanager
async def runtime_on(storage: MemoryStorage, folder: Path) -> AsyncGenerator[Runtime]:
    settings = Settings(lease_seconds=LEASE_SECONDS)
    installation = await storage.open()
    deployment = Deployment(model_name="m", model="openai/gpt-4o-mini", api_key="sk-none", id="east")
    fleet = Fleet(Catalog([deployment]), settings, load_factories(["openai"]))
    with ThreadPoolExecutor(1) as executor:
        async with aclosing(fleet), anyio.create_task_group() as tasks:
            yield Runtime(
                storage=storage,
                fleet=fleet,
                prices=PriceBook([deployment]),
                settings=settings,
                spooler=Spooler(folder, executor),
                executor=executor,
                strategy=STRATEGIES[settings.strategy],
                clock=lambda: datetime.now(UTC),
                worker="worker",
                installation_id=installation.id,
                tasks=tasks,
                stores=ContentStores({}, "database"),
            )


@pytest.mark.parametrize(
    ("age", "renewals"),
    [(lambda: anyio.current_time(), 0), (lambda: anyio.current_time() - 40, 1), (lambda: None, 1)],
    ids=["fresh", "old", "unknown"],
)
async def test_a_call_begins_under_a_lease_that_outlasts_it(
    tmp_path: Path, age: Callable[[], float | None], renewals: int
) -> None:
    """Told by the time that has passed since the claim; the database is asked only where that is too long."""
    storage = Slow(datetime.now(UTC))
    async with runtime_on(storage, tmp_path) as runtime:
        await stored_job(storage)
        [claim] = await storage.claims.claim_jobs(
            "worker", lease_seconds=LEASE_SECONDS, room=ROOM, work=Work.PLACE
        )

        async def work(lease: Lease) -> None:
            await lease.ensure(30)
            await lease.ensure(30)

        await runtime.leases.run(claim, work, since=age())
    assert storage.renewals == renewals


async def test_no_call_begins_under_a_lease_that_somebody_else_has(tmp_path: Path) -> None:
    storage = Slow(datetime.now(UTC))
    async with runtime_on(storage, tmp_path) as runtime:
        job = await stored_job(storage)
        [claim] = await storage.claims.claim_jobs("worker", lease_seconds=0, room=ROOM, work=Work.PLACE)
        [theirs] = await storage.claims.claim_jobs("other", lease_seconds=60, room=ROOM, work=Work.PLACE)
        with pytest.raises(StateConflict):
            await Lease(runtime.storage, claim, seconds=LEASE_SECONDS, since=None).ensure(30)
    assert (await state_of(storage, job)).jobs == (theirs,)
