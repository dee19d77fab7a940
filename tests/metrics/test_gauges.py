"""What the database tells: of all processes, some seconds ago at most, and nothing while it is away."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from litebatch_asgi import LiteBatch
from litebatch_asgi.app import open_storage
from litebatch_asgi.metrics import gauges
from litebatch_asgi.metrics.gauges import FigureReader
from litebatch_asgi.models import CopyState, FailedAttempt, JobState, RegisteredSink
from litebatch_asgi.server.listen import address_of, listen, serving
from litebatch_asgi.simulator import Simulator, SimulatorSettings
from litebatch_asgi.testing import MemoryStorage, a_copy, a_file, an_endpoint, an_event
from litebatch_asgi.testing.conformance.base import stored_batch, stored_file, stored_job, writing
from tests.access.standalone import MASTER, standalone
from tests.database import Database
from tests.harness import QUICK, by_key, deployments, lines
from tests.metrics.scraping import scraped, until
from tests.postgres import needs_socket, own_server


async def test_what_is_open_at_which_deployment(tmp_path: Path, database: Database) -> None:
    held = SimulatorSettings(validating_seconds=0, hold=frozenset({"in_progress"}))
    async with standalone(tmp_path, database, simulator=Simulator(settings=held)) as gateway:
        file = await gateway.upload(lines(7), key=MASTER)
        batch = await gateway.create(file.id, key=MASTER)
        await gateway.reached(batch.id, "in_progress", key=MASTER)
        (job,) = gateway.provider_jobs()
        (where,) = [name for name, each in gateway.simulator.accounts.items() if job.id in each.batches]
        scrape = await scraped(gateway.address, MASTER)
    assert scrape.labels("batches", "status") == {"validating", "in_progress", "finalizing", "cancelling"}
    assert scrape.of("batches", status="in_progress") == scrape.of("batches") == 1
    assert scrape.of("deployment_open_requests", deployment=where) == 7
    assert scrape.labels("deployment_open_requests", "deployment") == {where}
    assert scrape.of("storage_up") == 1
    assert scrape.of("build_info") == 1


@asynccontextmanager
async def idle(folder: Path, url: str) -> AsyncGenerator[str]:
    """A LiteBatch whose background loop runs elsewhere, and the address of its metrics."""
    litebatch = LiteBatch(
        deployments=deployments("http://127.0.0.1:9"),
        storage=url,
        authenticator=by_key,
        settings=QUICK,
        reconciler=False,
    )
    app = Starlette(routes=[Mount("/metrics", litebatch.metrics_app)])
    listener = listen("127.0.0.1", 0)
    async with litebatch.lifespan(app), serving(app, listener):
        yield address_of(listener)


async def test_how_late_the_longest_due_is(tmp_path: Path, database: Database) -> None:
    storage = open_storage(database.url)
    await storage.open()
    due = datetime.now(UTC) - timedelta(hours=1)
    await stored_job(storage, state=JobState.SUBMITTED, deployment_id="east", next_check_at=due)
    await stored_file(storage, a_copy(a_file(), state=CopyState.PENDING, next_check_at=due))
    await storage.close()
    async with idle(tmp_path, database.url) as address:
        scrape = await scraped(address, path="/metrics/")
    assert 3590 < scrape.of("due_late_seconds", work="look") < 3700
    assert 3590 < scrape.of("due_late_seconds", work="copy") < 3700
    assert scrape.of("due_late_seconds", work="settle") == 0
    assert scrape.labels("due_late_seconds", "work") == {"place", "look", "search", "settle", "copy"}


async def test_what_sinks_have_not_taken(tmp_path: Path, database: Database) -> None:
    """By sink, and of all webhooks together."""
    storage = open_storage(database.url)
    await storage.open()
    batch = await stored_batch(storage)
    endpoint = an_endpoint(owner=batch.owner)
    await storage.webhook_endpoints.create(endpoint, most=1)
    log, hook = (RegisteredSink(name=name, is_ordered=False) for name in ("log", endpoint.id))
    await storage.outbox.register([log])
    events = tuple(an_event(batch, type="batch.completed") for _ in range(2))
    await storage.change_batch(batch.id, writing(events=events))
    for sink in (log, hook):
        [item] = await storage.outbox.claim("worker", sink, limit=1, lease_seconds=60)
        dead = FailedAttempt(delivery=item.delivery, error="no", retry_seconds=None)
        await storage.outbox.failed(sink, [dead])
    await storage.close()
    async with idle(tmp_path, database.url) as address:
        scrape = await scraped(address, path="/metrics/")
    for name in ("outbox_pending_deliveries", "outbox_dead_deliveries", "outbox_oldest_pending_seconds"):
        assert scrape.labels(name, "sink") == {"log", "webhooks"}
        assert min(scrape.of(name, sink=sink) for sink in ("log", "webhooks")) > 0
    assert scrape.of("outbox_pending_deliveries") == scrape.of("outbox_dead_deliveries") == 2


@needs_socket
async def test_without_the_database_it_tells_what_the_process_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In time, and the rest as soon as it is back."""
    monkeypatch.setattr(gauges, "KEPT_SECONDS", 0.0)
    monkeypatch.setattr(gauges, "SPARED", 0.0)
    monkeypatch.setattr(gauges, "FAILED_SECONDS", 0.1)
    context = own_server()
    server = await anyio.to_thread.run_sync(context.__enter__)
    try:
        async with idle(tmp_path, server.url()) as address:
            assert (await scraped(address, path="/metrics/")).of("storage_up") == 1
            await anyio.to_thread.run_sync(server.stop)
            with anyio.fail_after(15):
                scrape = await scraped(address, path="/metrics/")
            assert scrape.of("storage_up") == 0
            assert scrape.labels("batches", "status") == set()
            assert scrape.labels("managed_batch_created_total", "model") != set()
            await anyio.to_thread.run_sync(server.start)
            await until(address, None, "storage_up", 1, path="/metrics/")
    finally:
        await anyio.to_thread.run_sync(context.__exit__, None, None, None)


async def test_figures_are_read_once_for_all_who_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    storage = MemoryStorage()
    await storage.open()
    reader = FigureReader(storage)
    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(reader.refresh)
    first = reader.last
    assert first is not None
    await reader.refresh()
    assert reader.last is first
    monkeypatch.setattr(gauges, "KEPT_SECONDS", 0.0)
    late = FigureReader(storage)
    await late.refresh()
    before = late.last
    with anyio.fail_after(5):
        while late.last is before:
            await anyio.lowlevel.checkpoint()
            await late.refresh()


async def test_a_scrape_shows_no_figures_of_a_lifespan_that_has_ended() -> None:
    storage = MemoryStorage()
    reader = FigureReader(storage)
    await reader.refresh()
    assert reader.last is None
