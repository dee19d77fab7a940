"""However a job is ended or changes hands, what was done counts, once, and the rest is told."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
from msgspec.structs import replace
from prometheus_client import CollectorRegistry, generate_latest

from litebatch_asgi import engine, failpoints
from litebatch_asgi.app import open_storage
from litebatch_asgi.jobs import JobQuery
from litebatch_asgi.live import LiveRunner
from litebatch_asgi.operators import Operators
from litebatch_asgi.simulator import ArmedFault, Fault, Latency
from tests.database import Database, SQLiteDatabase
from tests.harness import InProcess, lines
from tests.live.stage import SERVER, SETTINGS, each_once, live_gateway, nothing_is_left, sent
from tests.metrics.scraping import parsed

COUNT = 40
PATIENT = replace(SETTINGS, live_attempts=50)
STATES: dict[str, dict[str, Any]] = {
    "in flight": {"stall": True},
    "put off": {"status": 500},
    "waiting for the server": {"status": 503},
}


async def begun(gateway: InProcess, state: str) -> str:
    """A batch of which five lines are done, and the others are as `state` says."""
    fault = Fault(call="run_request", account="live", skip=5, times=None, **STATES[state])
    armed = gateway.simulator.add_fault(fault)
    batch = await gateway.create((await gateway.upload(lines(COUNT))).id)
    await gateway.simulator.until(lambda: armed.struck >= 3)

    async def are_written() -> bool:
        return len(await gateway.database.rows("SELECT 1 FROM line_results")) == 5

    await gateway.eventually(are_written)
    return batch.id


@pytest.mark.parametrize("state", STATES)
async def test_a_cancelled_batch_keeps_what_was_done(
    tmp_path: Path, database: Database, runners: list[LiveRunner], state: str
) -> None:
    async with live_gateway(tmp_path, database, settings=PATIENT) as gateway:
        batch_id = await begun(gateway, state)
        await gateway.client().batches.cancel(batch_id)
        ended = await gateway.ended(batch_id)
        assert ended.status == "cancelled"
        assert await each_once(gateway, ended, COUNT) == {"batch_cancelled": COUNT - 5}
        await nothing_is_left(gateway, runners)


async def test_what_a_cancelled_batch_has_under_way_is_broken_off_at_once(
    tmp_path: Path, database: Database, runners: list[LiveRunner]
) -> None:
    """And not when a claim on it is to be renewed next, which is after minutes here: others wait for that."""
    settings = replace(PATIENT, live_timeout_seconds=1200)
    async with live_gateway(tmp_path, database, settings=settings) as gateway:
        batch_id = await begun(gateway, "in flight")
        assert runners[0].stations["live"].places.taken
        await gateway.client().batches.cancel(batch_id)
        await gateway.ended(batch_id)
        await nothing_is_left(gateway, runners)


async def test_what_another_process_has_closed_is_broken_off_soon(
    tmp_path: Path, database: Database, runners: list[LiveRunner]
) -> None:
    """As when that one has handled the cancellation: no claim is renewed here for minutes."""
    settings = replace(PATIENT, live_timeout_seconds=1200)
    async with live_gateway(tmp_path, database, settings=settings) as gateway:
        batch_id = await begun(gateway, "in flight")
        [(job_id,)] = await database.rows("SELECT id FROM jobs")
        other = open_storage(database.url)
        await other.open()
        await other.lines.close(job_id)
        await other.close()

        async def is_broken_off() -> bool:
            return not runners[0].stations["live"].places.taken

        await gateway.eventually(is_broken_off)
        assert runners[0].stations["live"].held == []
        await gateway.client().batches.cancel(batch_id)
        await gateway.ended(batch_id)


@pytest.mark.parametrize("state", STATES)
async def test_a_batch_that_expires_keeps_what_was_done(
    tmp_path: Path, database: Database, runners: list[LiveRunner], state: str
) -> None:
    async with live_gateway(tmp_path, database, settings=PATIENT) as gateway:
        batch_id = await begun(gateway, state)
        await gateway.database.change("UPDATE batches SET expires_at = created_at + 1")
        ended = await gateway.ended(batch_id)
        assert ended.status == "expired"
        assert await each_once(gateway, ended, COUNT) == {"batch_expired": COUNT - 5}
        await nothing_is_left(gateway, runners)


async def test_results_of_a_holder_that_has_lost_its_range_are_refused(
    tmp_path: Path, database: Database, runners: list[LiveRunner]
) -> None:
    """As when it was stopped for longer than its claim: somebody else has claimed the range meanwhile."""
    count, registry = 12, CollectorRegistry()  # which run one by one then
    async with live_gateway(tmp_path, database, metrics_registry=registry) as gateway:
        armed = gateway.simulator.add_fault(Fault(account="live", skip=5, times=None, delay=0.3))
        batch = await gateway.create((await gateway.upload(lines(count))).id)
        await gateway.simulator.until(lambda: armed.struck >= 3)
        await gateway.database.change(
            "UPDATE line_ranges SET epoch = epoch + 1, claimed_by = 'another', claimed_until = 1"
        )
        gateway.simulator.faults.remove()
        ended = await gateway.ended(batch.id)
        assert await each_once(gateway, ended, count) == {}
        again = sent(gateway)
        assert max(again) == 2  # what was under way when the range was lost, and no more often
        lost = parsed(generate_latest(registry).decode()).of("unbilled_requests_total", reason="live")
        assert 0 < lost <= again[2]  # others were broken off before they had an answer
        assert await gateway.database.rows("SELECT one_by_one FROM line_ranges") == [(1,)]
        await nothing_is_left(gateway, runners)


async def test_a_request_that_its_holder_dies_with_is_given_up(
    tmp_path: Path, database: Database, runners: list[LiveRunner]
) -> None:
    """Its range runs one by one then; once it was begun `live_attempts` times it has its own error row."""
    count, deadly = 6, "Say 3."
    settings = replace(SETTINGS, live_attempts=2)
    async with live_gateway(tmp_path, database, settings=settings) as gateway:
        requests = gateway.simulator.requests
        armed = gateway.simulator.add_fault(Fault(account="live", match=deadly, stall=True, times=None))
        batch = await gateway.create((await gateway.upload(lines(count))).id)
        for death in range(1, 4):
            await gateway.simulator.until(partial(_has_struck, armed, death))
            await gateway.database.change(
                "UPDATE line_ranges SET epoch = epoch + 1, claimed_by = 'another', claimed_until = 1"
            )
        ended = await gateway.ended(batch.id)
        assert await each_once(gateway, ended, count) == {"line_abandoned": 1}
        assert len(requests.select(account="live", match=deadly)) == 3
        await nothing_is_left(gateway, runners)


def _has_struck(armed: ArmedFault, times: int) -> bool:
    return armed.struck >= times


async def test_a_process_that_stops_hands_its_ranges_on(tmp_path: Path, database: Database) -> None:
    slow = replace(SERVER, latency=Latency(seconds=0.1))
    async with live_gateway(tmp_path, database, server=slow) as gateway:
        simulator = gateway.simulator
        batch = await gateway.create((await gateway.upload(lines(300))).id)
        await simulator.until(lambda: simulator.requests.totals().statuses.get("200", 0) > 5)
    held = await database.rows("SELECT 1 FROM line_ranges WHERE claimed_by IS NOT NULL OR one_by_one <> 0")
    assert held == []
    before = simulator.requests.totals(account="live")
    async with live_gateway(tmp_path, database, simulator=simulator) as gateway:
        ended = await gateway.ended(batch.id)
        assert await each_once(gateway, ended, 300) == {}
        again = sent(gateway)
    assert again[1] + again[2] == 300
    assert again[2] <= before.most_in_progress


async def test_a_runner_that_begins_anew_goes_on_with_what_it_claims_anew(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it had held before is given back, for it or others to claim: it sends none of that twice."""
    runners: list[LiveRunner] = []
    fails = anyio.Event()

    class Failing(LiveRunner):
        async def run(self) -> None:
            runners.append(self)
            async with anyio.create_task_group() as group:
                if len(runners) == 1:
                    group.start_soon(self._fail)
                await super().run()

        async def _fail(self) -> None:
            await fails.wait()
            raise RuntimeError("the runner is to begin anew")

    monkeypatch.setattr(engine, "LiveRunner", Failing)
    slow = replace(SERVER, latency=Latency(seconds=0.1))
    async with live_gateway(tmp_path, database, server=slow) as gateway:
        simulator = gateway.simulator
        batch = await gateway.create((await gateway.upload(lines(300))).id)
        await simulator.until(lambda: simulator.requests.totals().statuses.get("200", 0) > 5)
        fails.set()
        ended = await gateway.ended(batch.id)
        assert len(runners) == 2
        assert await each_once(gateway, ended, 300) == {}
        again = sent(gateway)
        assert again[1] + again[2] == 300
        assert again[2] <= simulator.requests.totals(account="live").most_in_progress
        await nothing_is_left(gateway, runners)


async def test_an_operator_stops_a_live_job(
    tmp_path: Path, database: Database, runners: list[LiveRunner]
) -> None:
    async with live_gateway(tmp_path, database, settings=PATIENT) as gateway:
        batch_id = await begun(gateway, "in flight")
        operators = Operators(gateway.storage, SETTINGS)
        (job,) = (await operators.jobs(JobQuery(limit=9))).items
        await operators.stop(job.id)
        ended = await gateway.ended(batch_id)
        codes = await each_once(gateway, ended, COUNT)
        assert sum(codes.values()) == COUNT - 5
        await nothing_is_left(gateway, runners)


async def test_a_drained_deployment_hands_its_lines_to_another(
    tmp_path: Path, database: Database, runners: list[LiveRunner]
) -> None:
    settings = replace(SETTINGS, rescue=True, overflow_after_seconds=0.01)
    options: dict[str, Any] = {"settings": settings, "live": ("live", "spare")}
    async with live_gateway(tmp_path, database, **options) as gateway:
        gateway.simulator.account("spare").configure(flavour="vllm")
        armed = gateway.simulator.add_fault(Fault(call="run_request", skip=5, times=None, stall=True))
        batch = await gateway.create((await gateway.upload(lines(COUNT))).id)
        await gateway.simulator.until(lambda: armed.struck >= 3)
        operators = Operators(gateway.storage, settings)
        (job,) = (await operators.jobs(JobQuery(limit=9))).items
        drained = await operators.drain(str(job.deployment_id))
        assert drained.stopping == 1
        gateway.simulator.remove_fault(armed)
        ended = await gateway.ended(batch.id)
        assert ended.status == "completed"
        assert await each_once(gateway, ended, COUNT) == {}
        other = {"live": "spare", "spare": "live"}[str(job.deployment_id)]
        assert gateway.simulator.requests.totals(account=other).requests > 0
        await nothing_is_left(gateway, runners)


async def test_who_was_stopped_sends_nothing_on_a_claim_that_has_lapsed(tmp_path: Path) -> None:
    """Just before requests go out: somebody else has claimed their range meanwhile."""
    settings = replace(SETTINGS, live_timeout_seconds=0.5, lease_seconds=1)
    database = SQLiteDatabase.migrated(tmp_path)
    count = 12

    def be_stopped() -> None:
        with closing(sqlite3.connect(database.url.removeprefix("sqlite:///"))) as file, file:
            file.execute(
                "UPDATE line_ranges SET epoch = epoch + 1, claimed_by = 'another', claimed_until = 1"
            )
        time.sleep(1.2)

    with failpoints.calling("live.sending", be_stopped):
        async with live_gateway(tmp_path, database, settings=settings) as gateway:
            batch = await gateway.create((await gateway.upload(lines(count))).id)
            ended = await gateway.ended(batch.id)
            assert await each_once(gateway, ended, count) == {}
            assert sent(gateway) == {1: count}


async def test_what_is_cancelled_while_its_requests_are_counted_is_not_sent(tmp_path: Path) -> None:
    """Just before its job is given to a live deployment, which then does not get it."""
    database = SQLiteDatabase.migrated(tmp_path)

    def cancel() -> None:
        with closing(sqlite3.connect(database.url.removeprefix("sqlite:///"))) as file, file:
            file.execute("UPDATE batches SET cancel_requested_at = created_at")

    with failpoints.calling("live.cut", cancel):
        async with live_gateway(tmp_path, database) as gateway:
            batch = await gateway.create((await gateway.upload(lines(COUNT))).id)
            ended = await gateway.ended(batch.id)
            assert ended.status == "cancelled"
            assert await each_once(gateway, ended, COUNT) == {"batch_cancelled": COUNT}
            assert not sent(gateway)
            assert await database.rows("SELECT 1 FROM line_ranges") == []
