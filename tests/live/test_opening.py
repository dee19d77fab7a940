"""Ranges that are claimed and not read yet when something happens to them, their job or the database."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest
from msgspec.structs import replace

from litebatch_asgi import failpoints
from litebatch_asgi.app import open_storage
from litebatch_asgi.errors import StorageUnavailable
from litebatch_asgi.failpoints import InjectedFault
from litebatch_asgi.jobs import JobQuery
from litebatch_asgi.live import LiveRunner, runner
from litebatch_asgi.models import LineRange, RangeWrite
from litebatch_asgi.operators import Operators
from litebatch_asgi.storage import Storage
from tests.database import Database
from tests.harness import lines
from tests.live.stage import SETTINGS, each_once, live_gateway, nothing_is_left, sent

COUNT = 20


class Held:
    """A storage that tells what a range has results of only once it is let go."""

    def __init__(self, database: Database) -> None:
        self.storage: Storage = open_storage(database.url)
        self.is_asked = anyio.Event()
        self.go = anyio.Event()
        results_in = self.storage.lines.results_in

        async def results_in_late(line_range: LineRange) -> Any:
            found = await results_in(line_range)
            self.is_asked.set()
            await self.go.wait()
            return found

        self.storage.lines.results_in = results_in_late  # type: ignore[method-assign]


async def test_a_batch_is_cancelled_meanwhile(
    tmp_path: Path, database: Database, runners: list[LiveRunner]
) -> None:
    """None of its lines is sent then."""
    held = Held(database)
    async with live_gateway(tmp_path, database, storage=held.storage) as gateway:
        batch = await gateway.create((await gateway.upload(lines(COUNT))).id)
        await held.is_asked.wait()
        await gateway.client().batches.cancel(batch.id)
        ended = await gateway.ended(batch.id)
        held.go.set()
        assert await each_once(gateway, ended, COUNT) == {"batch_cancelled": COUNT}
        await nothing_is_left(gateway, runners)
        assert not sent(gateway)


async def test_a_job_is_moved_meanwhile(
    tmp_path: Path, database: Database, runners: list[LiveRunner]
) -> None:
    """All of its lines are sent to another server, and none to the one that it was taken from."""
    held = Held(database)
    settings = replace(SETTINGS, rescue=True, overflow_after_seconds=0.01)
    options: dict[str, Any] = {"live": ("live", "spare"), "storage": held.storage, "settings": settings}
    async with live_gateway(tmp_path, database, **options) as gateway:
        gateway.simulator.account("spare").configure(flavour="vllm")
        batch = await gateway.create((await gateway.upload(lines(COUNT))).id)
        await held.is_asked.wait()
        operators = Operators(gateway.storage, settings)
        (job,) = (await operators.jobs(JobQuery(limit=9))).items
        await operators.move(job.id)

        async def is_elsewhere() -> bool:
            found = (await operators.jobs(JobQuery(limit=9))).items
            return any(each.deployment_id not in (None, job.deployment_id) for each in found)

        await gateway.eventually(is_elsewhere)
        held.go.set()
        ended = await gateway.ended(batch.id)
        assert await each_once(gateway, ended, COUNT) == {}
        await nothing_is_left(gateway, runners)
        totals = gateway.simulator.requests.totals
        other = {"live": "spare", "spare": "live"}[str(job.deployment_id)]
        assert totals(account=job.deployment_id).requests == 0
        assert totals(account=other).requests == COUNT


@pytest.mark.parametrize("error", [StorageUnavailable("The database is away."), InjectedFault("give back")])
async def test_what_cannot_be_given_back_lapses(
    tmp_path: Path,
    database: Database,
    runners: list[LiveRunner],
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
) -> None:
    """A range that could not be read is somebody's again, whatever the database says to giving it back."""
    monkeypatch.setattr(runner, "UNREADABLE_SECONDS", 0.5)
    storage = open_storage(database.url)
    refused: list[RangeWrite] = []
    write = storage.lines.write

    async def write_but_give_back_late(writes: Sequence[RangeWrite]) -> Any:
        if len(refused) < 2 and (given := [each for each in writes if each.give_back is not None]):
            refused.extend(given)
            raise error
        return await write(writes)

    storage.lines.write = write_but_give_back_late  # type: ignore[method-assign]
    settings = replace(SETTINGS, live_timeout_seconds=0.5, lease_seconds=1)
    with failpoints.armed("live.opening=raise"):
        async with live_gateway(tmp_path, database, storage=storage, settings=settings) as gateway:
            batch = await gateway.create((await gateway.upload(lines(COUNT))).id)
            ended = await gateway.ended(batch.id)
            assert await each_once(gateway, ended, COUNT) == {}
            assert refused
            assert sent(gateway) == {1: COUNT}
            await nothing_is_left(gateway, runners)
