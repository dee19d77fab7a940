"""What people see of live jobs: progress, words, prices, metrics and jobs."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

from msgspec.structs import replace
from prometheus_client import CollectorRegistry, generate_latest

from litebatch_asgi.jobs import JobQuery
from litebatch_asgi.models import Lane, Principal
from litebatch_asgi.server.operators.objects import job_object
from litebatch_asgi.simulator import Fault, Simulator
from tests.database import Database
from tests.harness import ENDPOINT, SWIFT, InProcess, lines
from tests.live.stage import SETTINGS, live_gateway
from tests.metrics.scraping import Scrape, parsed

ADMIN = Principal(owner="admin", is_admin=True)
SILENT = Fault(call="run_request", account="live", stall=True, skip=6, times=None)


async def test_a_running_live_job(tmp_path: Path, database: Database) -> None:
    """Its counts grow while it runs, and metrics, jobs and the story say what it does."""
    simulator, registry = Simulator(settings=SWIFT), CollectorRegistry()
    silent = simulator.add_fault(SILENT)
    settings = replace(SETTINGS, live_timeout_seconds=30)
    async with live_gateway(
        tmp_path, database, simulator=simulator, settings=settings, metrics_registry=registry
    ) as gateway:
        batch = await gateway.create((await gateway.upload(lines(10))).id)

        async def six_are_counted() -> bool:
            seen = await gateway.client().batches.retrieve(batch.id)
            counts = seen.request_counts
            assert counts is not None
            assert counts.total == 10
            return seen.status == "in_progress" and counts.completed == 6

        await gateway.eventually(six_are_counted)

        async def four_run() -> bool:
            return scrape(registry).of("live_requests_in_flight", deployment="live") == 4

        await gateway.eventually(four_run)
        assert scrape(registry).of("live_ranges_held", deployment="live") == 1
        (job,) = (await gateway.litebatch.operators.jobs(JobQuery(batch_id=batch.id, limit=10))).items
        shown = job_object(job)
        assert (shown.lane, shown.deployment, shown.state) == (Lane.LIVE, "live", "submitted")
        assert (shown.counts.completed, shown.counts.total) == (6, 10)
        (view,) = await gateway.litebatch.batches.jobs(ADMIN, batch.id)
        assert (view.lane, view.is_canary, view.counts.done) == (Lane.LIVE, False, 6)
        simulator.remove_fault(silent)
        await gateway.ended(batch.id)
        told = await story(gateway, batch.id, "admin")
        assert told["job.placed"]["message"] == "The requests of the batch are sent to live, one by one."
        assert told["job.placed"]["data"]["lane"] == "live"
        told = await story(gateway, batch.id, "alice")
        assert told["job.placed"]["message"] == (
            "The requests of the batch are sent to a deployment, one by one."
        )
        after = scrape(registry)
        assert after.of("live_requests_in_flight") == after.of("live_ranges_held") == 0
        answered = {"deployment": "live", "outcome": "answered"}
        assert after.of("live_request_duration_seconds_count", **answered) == 10


def scrape(registry: CollectorRegistry) -> Scrape:
    return parsed(generate_latest(registry).decode())


async def story(gateway: InProcess, batch_id: str, key: str) -> dict[str, Any]:
    """The last event of each type."""
    async with gateway.http(key) as http:
        told = (await http.get(f"/batches/{batch_id}/events", params={"limit": 100})).json()
    return {event["type"]: event for event in reversed(told["data"])}


async def test_what_is_not_answered_is_counted_by_how(tmp_path: Path, database: Database) -> None:
    simulator, registry = Simulator(settings=SWIFT), CollectorRegistry()
    simulator.add_fault(Fault(call="run_request", account="live", status=500, times=2))
    simulator.add_fault(Fault(call="run_request", account="live", status=400, times=1))
    async with live_gateway(tmp_path, database, simulator=simulator, metrics_registry=registry) as gateway:
        await gateway.ended((await gateway.create((await gateway.upload(lines(5))).id)).id)
        told = scrape(registry)
        name = "live_request_duration_seconds_count"
        assert told.labels(name, "outcome") == {"failed", "answered"}
        assert told.of(name, deployment="live", outcome="failed") == 2
        assert told.of(name, deployment="live", outcome="answered") == 5


async def test_a_dry_run_tells_lanes_and_their_prices(tmp_path: Path, database: Database) -> None:
    prices = {"input_cost_per_token": Decimal(2), "output_cost_per_token": Decimal(2)}
    settings = replace(SETTINGS, completion_windows=("24h", "1h"))
    options: dict[str, Any] = {"names": ("east",), "prices": prices, "live_options": {"prices": prices}}
    async with live_gateway(tmp_path, database, settings=settings, **options) as gateway:
        file = await gateway.upload(lines(5, max_tokens=10))
        for window, taken in (("24h", Lane.NATIVE), ("1h", Lane.LIVE)):
            told = await gateway.litebatch.batches.dry_run(
                ADMIN, input_file_id=file.id, endpoint=ENDPOINT, completion_window=window
            )
            native, live = sorted(told.deployments, key=lambda each: str(each.deployment_id))
            assert (native.lane, live.lane) == (Lane.NATIVE, Lane.LIVE)
            assert [each.lane for each in told.deployments if each.takes_it_now] == [taken]
            assert native.estimated_cost is not None
            assert live.estimated_cost == 2 * native.estimated_cost
            (other,) = (each for each in told.deployments if each.lane is not taken)
            assert other.waiting_for is not None
            assert other.waiting_for.reason == "other_lane"
