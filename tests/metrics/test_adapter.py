"""Calls to providers, as they are measured, over sockets; and leases that are lost."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import anyio
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from litebatch_asgi import errors
from litebatch_asgi.catalog import Catalog
from litebatch_asgi.errors import ProviderError, StateConflict
from litebatch_asgi.fleet import Fleet, load_factories
from litebatch_asgi.leases import Lease, LeaseKeeper
from litebatch_asgi.metrics.adapter import MeasuredAdapter, outcome_of
from litebatch_asgi.metrics.prometheus import PrometheusMetrics
from litebatch_asgi.models import Claim, CopyState, Settings, Work
from litebatch_asgi.provider import FileUpload, ProviderAdapter
from litebatch_asgi.simulator import Simulator
from litebatch_asgi.simulator.faults import CallName, Fault
from litebatch_asgi.testing import MemoryStorage, a_copy, a_file
from litebatch_asgi.testing.conformance.base import stored_file, stored_job
from litebatch_asgi.testing.conformance.claims import ROOM, ago
from tests.harness import deployments
from tests.metrics.scraping import Scrape, parsed

SINCE = datetime.now(UTC) - timedelta(days=1)
CATALOG = Catalog(deployments("http://127.0.0.1:9"))


class Measured:
    """An adapter of a fleet whose calls are kept."""

    def __init__(self, simulator: Simulator, adapter: ProviderAdapter, registry: CollectorRegistry) -> None:
        self.simulator = simulator
        self.adapter = adapter
        self._registry = registry

    def shown(self) -> Scrape:
        return parsed(generate_latest(self._registry).decode())

    def count(self, call: str, outcome: str) -> float:
        told = {"call": call, "outcome": outcome, "deployment": "east"}
        return self.shown().of("provider_call_duration_seconds_count", **told)

    def fails(self, call: CallName, status: int) -> None:
        self.simulator.add_fault(Fault(call=call, status=status, times=None))


@pytest.fixture
async def east() -> AsyncGenerator[Measured]:
    async with measured() as east:
        yield east


@asynccontextmanager
async def measured() -> AsyncGenerator[Measured]:
    simulator, registry = Simulator(), CollectorRegistry()
    async with simulator.running() as address:
        catalog = Catalog(deployments(address, ["east"]))
        metrics = PrometheusMetrics(registry, catalog)
        fleet = Fleet(catalog, Settings(), load_factories(["openai"]), metrics)
        yield Measured(simulator, fleet.adapter("east"), registry)
        await fleet.aclose()


def upload() -> FileUpload:
    async def content() -> AsyncGenerator[bytes]:
        yield b"{}"

    return FileUpload(
        filename="in.jsonl", purpose="batch", size=2, content=content, expires_after_seconds=None
    )


async def test_calls_and_how_long_they_take(east: Measured) -> None:
    assert isinstance(east.adapter, MeasuredAdapter)
    file = await east.adapter.upload_file(upload())
    assert (await east.adapter.retrieve_file(file.id)).id == file.id
    assert [each.id async for each in east.adapter.list_files(since=SINCE)] == [file.id]
    async with east.adapter.stream_file(file.id) as stream:
        assert b"".join([block async for block in stream.blocks]) == b"{}"
    await east.adapter.delete_file(file.id)
    assert [each async for each in east.adapter.list_batches(since=SINCE)] == []
    for call in ("upload_file", "retrieve_file", "list_files", "stream_file", "delete_file", "list_batches"):
        assert east.count(call, "ok") == 1
    assert 0 < east.shown().of("provider_call_duration_seconds_sum") < 20


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(429, "refused"), (401, "refused"), (400, "content_refused"), (503, "busy"), (504, "unclear")],
)
async def test_calls_that_do_not_go_well(east: Measured, status: int, outcome: str) -> None:
    east.fails("upload_file", status)
    with pytest.raises(ProviderError):
        await east.adapter.upload_file(upload())
    assert east.count("upload_file", outcome) == 1
    assert east.count("upload_file", "ok") == 0


async def test_what_is_not_there(east: Measured) -> None:
    with pytest.raises(ProviderError):
        await east.adapter.retrieve_batch("batch_unknown")
    with pytest.raises(ProviderError):
        await east.adapter.cancel_batch("batch_unknown")
    with pytest.raises(ProviderError):
        async with east.adapter.stream_file("file-unknown"):
            pass
    for call in ("retrieve_batch", "cancel_batch", "stream_file"):
        assert east.count(call, "not_found") == 1


async def test_who_gives_up_does_not_blame_the_provider(east: Measured) -> None:
    file = await east.adapter.upload_file(upload())
    held = east.simulator.add_fault(Fault(call="retrieve_file", stall=True, times=None))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(east.adapter.retrieve_file, file.id)
        await east.simulator.until(lambda: held.struck > 0)
        tasks.cancel_scope.cancel()
    east.simulator.remove_fault(held)
    with pytest.raises(RuntimeError):
        async with east.adapter.stream_file(file.id):
            raise RuntimeError("the reader has had enough")
    for call in ("retrieve_file", "stream_file"):
        assert east.count(call, "abandoned") == 1


def test_each_error_of_a_provider_has_an_outcome_of_its_own() -> None:
    kinds = [each for each in vars(errors).values() if isinstance(each, type)]
    of_providers = [each for each in kinds if issubclass(each, ProviderError)]
    outcomes = {each.__name__: outcome_of(each("x")) for each in of_providers}
    assert "abandoned" not in outcomes.values()
    # CopyDiffers is as CopyRefused, and CannotTake, which no call ends with, as ContentRefused
    assert len(set(outcomes.values())) == len(outcomes) - 2
    assert outcome_of(StateConflict("x")) == outcome_of(GeneratorExit()) == "abandoned"


@pytest.mark.parametrize("way", ["noticed when renewed", "noticed when written", "kept"])
@pytest.mark.parametrize("kind", ["job", "copy"])
async def test_leases_that_are_lost(kind: str, way: str) -> None:
    storage, registry = MemoryStorage(), CollectorRegistry()
    await storage.open()
    keeper = LeaseKeeper(
        storage, seconds=0.03, wake=lambda: None, metrics=PrometheusMetrics(registry, CATALOG)
    )

    async def claim(worker: str, seconds: float) -> Claim:
        if kind == "job":
            jobs = await storage.claims.claim_jobs(worker, lease_seconds=seconds, room=ROOM, work=Work.PLACE)
            return jobs[0]
        [copy] = await storage.claims.claim_copies(worker, lease_seconds=seconds, room={"east": 1})
        return copy

    if kind == "job":
        await stored_job(storage, deployment_id="east", next_check_at=ago(5))
    else:
        await stored_file(storage, a_copy(a_file(), state=CopyState.PENDING, next_check_at=ago(5)))
    ours = await claim("ours", -1 if way == "noticed when renewed" else 60)

    async def work(lease: Lease) -> str:
        if way == "noticed when written":
            raise lease.lost()
        if way == "noticed when renewed":
            await claim("theirs", 60)
            await anyio.sleep_forever()
        return "done"

    if way == "kept":
        assert await keeper.run(ours, work) == "done"
    else:
        with pytest.raises(StateConflict):
            await keeper.run(ours, work)
    shown = parsed(generate_latest(registry).decode())
    assert shown.of("lease_lost_total", kind=kind) == shown.of("lease_lost_total") == (way != "kept")
