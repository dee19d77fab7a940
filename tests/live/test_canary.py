"""A few requests are run live before the others, which are not run if all of these fail."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import openai
import pytest
from msgspec.structs import replace
from openai.types import Batch as OpenAIBatch

from litebatch_asgi.failpoints import armed
from litebatch_asgi.models import Principal
from litebatch_asgi.simulator import Fault, Simulator
from tests.database import Database
from tests.harness import SWIFT, InProcess, lines
from tests.live.stage import SETTINGS, each_once, live_gateway, sent
from tests.rescue.hours import Hours

ALICE = Principal(owner="alice", key_id="key-alice")
BOTH: dict[str, Any] = {"names": ("east",)}
ASKED: dict[str, Any] = {"extra_body": {"litebatch": {"canary": 5}}}
REFUSED = Fault(call="run_request", status=400, message="There is no such parameter.", times=None)
SILENT = Fault(call="run_request", stall=True, times=None)
PATIENT = replace(SETTINGS, live_timeout_seconds=30)
"""the same, where nobody is to take silence for an answer"""
HASTY = replace(SETTINGS, lease_seconds=2, live_timeout_seconds=1)
"""the same, where the death of workers is to be seen"""


def providers(*faults: Fault) -> Simulator:
    """Deployments of both lanes, with these faults at the live one."""
    simulator = Simulator(settings=SWIFT)
    for fault in faults:
        simulator.account("live").add_fault(fault)
    return simulator


async def begun(gateway: InProcess, count: int = 40, content: bytes | None = None) -> OpenAIBatch:
    """A batch that asks for a canary of five requests."""
    file = await gateway.upload(content or lines(count))
    return await gateway.create(file.id, **ASKED)


async def run_natively(gateway: InProcess) -> list[str]:
    """The custom ids of all jobs of providers."""
    jobs = await gateway.simulator.jobs()
    return sorted(str(custom_id) for job in jobs for custom_id in job.custom_ids or ())


async def story(gateway: InProcess, batch_id: str, *, key: str | None = None) -> list[tuple[str, str]]:
    """Type and sentence of each event of a batch, the first one first."""
    async with gateway.http(key) as http:
        told = (await http.get(f"/batches/{batch_id}/events", params={"limit": 100})).json()
    return [(event["type"], event["message"]) for event in reversed(told["data"])]


async def test_the_rest_is_sent_once_the_canary_has_succeeded(tmp_path: Path, database: Database) -> None:
    async with live_gateway(tmp_path, database, simulator=providers(), **BOTH) as gateway:
        batch = await begun(gateway)
        ended = await gateway.ended(batch.id)
        assert ended.status == "completed"
        assert await each_once(gateway, ended, 40) == {}
        assert sent(gateway) == {1: 5}
        rest = await run_natively(gateway)
        assert len(rest) == 35
        canary = {f"request-{number}" for number in (4, 12, 20, 28, 36)}  # spread over the file
        assert canary.isdisjoint(rest)
        jobs = await database.rows("SELECT lane, requests, state, reason FROM jobs ORDER BY requests")
        assert jobs == [
            ("live", 5, "settled", "canary"),
            ("native", 35, "settled", None),
            ("native", 40, "settled", "cut_for_canary"),
        ]
        types = [type_ for type_, _ in await story(gateway, batch.id)]
        assert types.count("job.canary") == 1
        assert types.count("job.settled") == 2
        assert "job.handed_on" not in types
        told = [message for _, message in await story(gateway, batch.id)]
        assert "5 requests run first, one by one: the others wait for how that ends." in told
        assert any(message.startswith("Some of its requests are run first") for message in told)


async def test_the_canary_costs_what_live_requests_do(tmp_path: Path, database: Database) -> None:
    prices = {"input_cost_per_token": Decimal(2), "output_cost_per_token": Decimal(2)}
    options: dict[str, Any] = BOTH | {"prices": prices, "live_options": {"prices": prices}}
    async with live_gateway(tmp_path, database, simulator=providers(), **options) as gateway:
        ended = await gateway.ended((await begun(gateway)).id)
        assert await each_once(gateway, ended, 40) == {}
        charges = await database.rows("SELECT deployment_id, usage FROM charges")
        used = {where: json.loads(usage) for where, usage in charges}
        assert {where: usage["requests"] for where, usage in used.items()} == {"live": 5, "east": 35}
        tokens = {where: usage["input_tokens"] + usage["output_tokens"] for where, usage in used.items()}
        seen = await gateway.litebatch.batches.retrieve(ALICE, ended.id)
        assert seen.cost == 2 * tokens["live"] + tokens["east"]
        events = await database.rows(
            "SELECT payload FROM events WHERE type = 'job.settled' OR type = 'batch_success' ORDER BY seq"
        )
        costs = [json.loads(payload)["cost"] for (payload,) in events]
        assert list(map(Decimal, costs)) == [2 * tokens["live"], seen.cost, seen.cost]


async def test_nothing_is_sent_if_all_of_the_canary_fails(tmp_path: Path, database: Database) -> None:
    async with live_gateway(tmp_path, database, simulator=providers(REFUSED), **BOTH) as gateway:
        batch = await begun(gateway)
        ended = await gateway.ended(batch.id)
        assert ended.status == "failed"
        assert gateway.provider_jobs() == []
        assert await each_once(gateway, ended, 40) == {"400": 5, "canary_failed": 35}
        assert sent(gateway) == {1: 5}
        assert ended.errors is not None
        assert ended.errors.data is not None
        first, *others = ended.errors.data
        assert first.code == "canary_failed"
        assert first.message == (
            "All 5 requests that were run first failed: the other 35 were not run. "
            "The first one: 400: There is no such parameter."
        )
        assert [(each.line, each.message) for each in others] == [
            (number + 1, "400: There is no such parameter.") for number in (4, 12, 20, 28, 36)
        ]
        assert ended.failed_at is not None
        types = [type_ for type_, _ in await story(gateway, batch.id)]
        assert types[-1] == "batch.failed"
        assert await database.rows("SELECT sum(requests) FROM reservations") in ([(None,)], [(0,)])


async def test_one_success_is_enough(tmp_path: Path, database: Database) -> None:
    simulator = providers(replace(REFUSED, times=4))
    async with live_gateway(tmp_path, database, simulator=simulator, **BOTH) as gateway:
        ended = await gateway.ended((await begun(gateway)).id)
        assert ended.status == "completed"
        assert await each_once(gateway, ended, 40) == {"400": 4}
        assert len(await run_natively(gateway)) == 35


async def test_what_fails_for_a_passing_reason_says_nothing_of_the_batch(
    tmp_path: Path, database: Database
) -> None:
    """It runs natively, with or without rescue."""
    settings = replace(SETTINGS, live_attempts=1)
    simulator = providers(Fault(call="run_request", status=500, times=None))
    async with live_gateway(tmp_path, database, simulator=simulator, settings=settings, **BOTH) as gateway:
        ended = await gateway.ended((await begun(gateway)).id)
        assert ended.status == "completed"
        assert await each_once(gateway, ended, 40) == {}
        assert len(await run_natively(gateway)) == 40


async def test_a_cancelled_batch_keeps_what_its_canary_has_done(tmp_path: Path, database: Database) -> None:
    async with live_gateway(
        tmp_path, database, simulator=providers(replace(SILENT, skip=2)), settings=PATIENT, **BOTH
    ) as gateway:
        batch = await begun(gateway)
        await gateway.eventually(lambda: has_done(gateway, batch, 2))
        await gateway.client().batches.cancel(batch.id)
        ended = await gateway.ended(batch.id)
        assert ended.status == "cancelled"
        assert await each_once(gateway, ended, 40) == {"batch_cancelled": 38}
        assert gateway.provider_jobs() == []


async def has_done(gateway: InProcess, batch: OpenAIBatch, count: int) -> bool:
    """Whether so many requests of a batch have ended."""
    counts = (await gateway.client().batches.retrieve(batch.id)).request_counts
    return counts is not None and counts.completed + counts.failed >= count


async def test_a_batch_expires_with_its_canary(tmp_path: Path, database: Database) -> None:
    hours = Hours()
    simulator = hours.simulator(SWIFT, "east", "live")
    simulator.account("live").add_fault(replace(SILENT, skip=2))
    settings = replace(PATIENT, canary_wait_seconds=1e6)
    async with live_gateway(
        tmp_path, database, simulator=simulator, settings=settings, clock=hours.now, **BOTH
    ) as gateway:
        batch = await begun(gateway)
        await gateway.eventually(lambda: has_done(gateway, batch, 2))
        hours.skip(simulator, 25)
        ended = await gateway.ended(batch.id)
        assert ended.status == "expired"
        assert await each_once(gateway, ended, 40) == {"batch_expired": 38}
        assert gateway.provider_jobs() == []


async def test_the_rest_waits_for_a_native_deployment(tmp_path: Path, database: Database) -> None:
    simulator = providers()
    simulator.add_fault(Fault(call="create_batch", status=429, times=5))
    async with live_gateway(tmp_path, database, simulator=simulator, **BOTH) as gateway:
        ended = await gateway.ended((await begun(gateway)).id)
        assert await each_once(gateway, ended, 40) == {}
        assert sent(gateway) == {1: 5}


async def test_what_a_provider_refuses_afterwards_is_told_in_rows(tmp_path: Path, database: Database) -> None:
    simulator = providers()
    simulator.add_fault(Fault(call="validate_batch", code="invalid_request", times=None))
    async with live_gateway(tmp_path, database, simulator=simulator, **BOTH) as gateway:
        ended = await gateway.ended((await begun(gateway)).id)
        assert ended.status == "completed"
        assert await each_once(gateway, ended, 40) == {"invalid_request": 35}


@pytest.mark.parametrize("done", [0, 2])
async def test_a_canary_without_answers_is_not_waited_for(
    tmp_path: Path, database: Database, done: int
) -> None:
    """The others go on, and what it has not done runs where they do."""
    hours = Hours()
    simulator = hours.simulator(SWIFT, "east", "live")
    simulator.account("live").add_fault(replace(SILENT, skip=done))
    async with live_gateway(
        tmp_path, database, simulator=simulator, settings=PATIENT, clock=hours.now, **BOTH
    ) as gateway:
        batch = await begun(gateway)

        async def it_runs() -> bool:
            running = await database.rows("SELECT 1 FROM jobs WHERE lane = 'live' AND state = 'submitted'")
            done_by_now = await database.rows("SELECT count(*) FROM line_results")
            return bool(running) and done_by_now == [(done,)]

        await gateway.eventually(it_runs)
        assert gateway.provider_jobs() == []
        hours.skip(simulator, 0.5)
        ended = await gateway.ended(batch.id)
        assert ended.status == "completed"
        assert await each_once(gateway, ended, 40) == {}
        assert len(await run_natively(gateway)) == 40 - done
        told = dict(await story(gateway, batch.id))
        assert told["job.handed_on"].startswith(f"{5 - done} requests of the batch were left undone")
        told = dict(await story(gateway, batch.id, key="admin"))
        assert told["job.handed_on"] == (
            f"{5 - done} requests that were to run first have no answer in time: the batch goes on without "
            "its canary, and they run at another deployment."
        )


async def test_a_canary_that_no_deployment_takes_is_not_waited_for(
    tmp_path: Path, database: Database
) -> None:
    hours = Hours()
    simulator = hours.simulator(SWIFT, "east", "live")
    async with live_gateway(tmp_path, database, simulator=simulator, clock=hours.now, **BOTH) as gateway:
        await gateway.litebatch.operators.drain("live")
        file = await gateway.upload(lines(40))
        await gateway.eventually(lambda: is_drained(gateway))
        batch = await gateway.create(file.id, **ASKED)

        async def it_waits() -> bool:
            waiting = "SELECT 1 FROM jobs WHERE state = 'waiting' AND reason = 'canary'"
            return await database.rows(waiting) != []

        await gateway.eventually(it_waits)
        hours.skip(simulator, 0.5)
        ended = await gateway.ended(batch.id)
        assert await each_once(gateway, ended, 40) == {}
        assert not sent(gateway)
        assert "job.canary_overdue" in dict(await story(gateway, batch.id))


async def test_a_setting_asks_for_no_canary_of_what_is_drained(tmp_path: Path, database: Database) -> None:
    settings = replace(SETTINGS, canary=5)
    async with live_gateway(tmp_path, database, simulator=providers(), settings=settings, **BOTH) as gateway:
        await gateway.litebatch.operators.drain("live")
        file = await gateway.upload(lines(40))
        await gateway.eventually(lambda: is_drained(gateway))
        batch = await gateway.create(file.id)
        assert await each_once(gateway, await gateway.ended(batch.id), 40) == {}
        assert "job.canary" not in dict(await story(gateway, batch.id))


async def is_drained(gateway: InProcess) -> bool:
    """Whether the gateway knows that its live deployment is drained."""
    services: Any = gateway.litebatch._services
    return "live" in services.presence.drained


async def test_a_setting_asks_for_canaries_of_all_that_can_have_one(
    tmp_path: Path, database: Database
) -> None:
    settings = replace(SETTINGS, canary=3)
    async with live_gateway(tmp_path, database, simulator=providers(), settings=settings, **BOTH) as gateway:
        file = await gateway.upload(lines(4))
        requests = gateway.simulator.requests
        without: dict[str, Any] = {"extra_body": {"litebatch": {"canary": 0}}}
        wishes: list[tuple[dict[str, Any], int]] = [({}, 3), (without, 0), (ASKED, 0)]
        for options, expected in wishes:
            before = requests.totals(account="live").requests
            ended = await gateway.ended((await gateway.create(file.id, **options)).id)
            assert ended.request_counts is not None
            assert ended.request_counts.completed == 4
            assert requests.totals(account="live").requests - before == expected


async def test_where_no_deployment_is_live_a_canary_is_refused(tmp_path: Path, database: Database) -> None:
    settings = replace(SETTINGS, canary=3)
    async with live_gateway(
        tmp_path, database, simulator=providers(), settings=settings, names=("east",), live=()
    ) as gateway:
        file = await gateway.upload(lines(40))
        with pytest.raises(openai.BadRequestError, match="`lane: live`") as caught:
            await gateway.create(file.id, **ASKED)
        assert caught.value.param == "litebatch.canary"
        ended = await gateway.ended((await gateway.create(file.id)).id)
        assert ended.request_counts is not None
        assert ended.request_counts.completed == 40


@pytest.mark.parametrize("fails", [False, True])
async def test_all_tiles_wait_for_the_canary(tmp_path: Path, database: Database, *, fails: bool) -> None:
    """Five requests of four tiles: two of one of them, and one of each other."""
    simulator = providers(*([REFUSED] if fails else []))
    async with live_gateway(tmp_path, database, simulator=simulator, max_job_requests=11, **BOTH) as gateway:
        ended = await gateway.ended((await begun(gateway)).id)
        assert ended.status == ("failed" if fails else "completed")
        codes = await each_once(gateway, ended, 40)
        assert codes == ({"400": 5, "canary_failed": 35} if fails else {})
        assert sent(gateway) == {1: 5}
        assert len(await run_natively(gateway)) == (0 if fails else 35)
        if fails:
            assert ended.errors is not None
            assert len(ended.errors.data or ()) == 6


async def test_a_failed_batch_is_retried_with_a_canary(tmp_path: Path, database: Database) -> None:
    async with live_gateway(
        tmp_path, database, simulator=providers(replace(REFUSED, times=5)), **BOTH
    ) as gateway:
        failed = await gateway.ended((await begun(gateway)).id)
        assert failed.status == "failed"
        retried = await gateway.litebatch.batches.retry(ALICE, failed.id)
        ended = await gateway.ended(retried.id)
        assert ended.status == "completed"
        assert await each_once(gateway, ended, 40) == {}
        assert len(await run_natively(gateway)) == 35


@pytest.mark.parametrize(
    "place",
    [
        "canary.derived",
        "canary.cut",
        "live.cut",
        "live.placed",
        "live.closing",
        "live.closed",
        "poll.ended",
        "settle.read",
        "settle.before",
        "settle.stored",
        "place.intended",
        "place.answered",
    ],
)
async def test_a_canary_survives_deaths(tmp_path: Path, database: Database, place: str) -> None:
    async with live_gateway(tmp_path, database, simulator=providers(), settings=HASTY, **BOTH) as gateway:
        file = await gateway.upload(lines(40))
        with armed(f"{place}=raise"):
            ended = await gateway.ended((await gateway.create(file.id, **ASKED)).id)
        assert ended.status == "completed"
        assert await each_once(gateway, ended, 40) == {}
        assert sent(gateway) == {1: 5}
        assert len(await run_natively(gateway)) == 35


@pytest.mark.parametrize("place", ["settle.before", "settle.stored", "canary.failing", "canary.failed"])
async def test_a_failed_canary_survives_deaths(tmp_path: Path, database: Database, place: str) -> None:
    async with live_gateway(
        tmp_path, database, simulator=providers(REFUSED), settings=HASTY, **BOTH
    ) as gateway:
        file = await gateway.upload(lines(40))
        with armed(f"{place}=raise"):
            ended = await gateway.ended((await gateway.create(file.id, **ASKED)).id)
        assert ended.status == "failed"
        assert await each_once(gateway, ended, 40) == {"400": 5, "canary_failed": 35}
        assert gateway.provider_jobs() == []
