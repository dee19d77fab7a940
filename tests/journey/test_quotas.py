"""How many tokens a deployment takes: configured, or learned from a refusal and then minded."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from litebatch_asgi.failpoints import armed
from litebatch_asgi.simulator import Simulator, SimulatorSettings
from tests.database import Database, SQLiteDatabase
from tests.faults.stage import HELD, gateway_on
from tests.harness import QUICK, UPSTREAM, InProcess, deployments, lines

CONTENT = lines(3, messages=[{"role": "user", "content": "say " * 500}])
TOKENS = 2000
"""more than one such input has and less than two, by our count and by the simulator's"""
IMPATIENT = replace(QUICK, place_budget_seconds=0.5)


@asynccontextmanager
async def one_deployment(
    folder: Path, database: Database, settings: SimulatorSettings, **limits: Any
) -> AsyncGenerator[InProcess]:
    """A gateway that has `east` alone."""
    simulator = Simulator(settings=settings)
    async with simulator.running() as provider:
        [east] = deployments(provider, ("east",))
        served = [replace(east, **limits)]
        async with gateway_on(
            simulator, provider, folder, settings=IMPATIENT, database=database, served=served
        ) as gateway:
            yield gateway


def creates(gateway: InProcess) -> Counter[str]:
    """By status, the batches that the provider was asked for."""
    return Counter(batch.status for batch in gateway.provider_jobs())


async def until_waiting(gateway: InProcess, batch_id: str, reason: str) -> dict[str, Any]:
    """What admins see once the batch waits for this."""
    waiting: dict[str, Any] = {}

    async def waits() -> bool:
        nonlocal waiting
        async with gateway.http("admin") as http:
            answer = await http.get(f"/batches/{batch_id}")
        waiting = answer.json()["litebatch"]["waiting_for"] or {}
        return waiting.get("reason") == reason

    await gateway.eventually(waits)
    return waiting


async def end(gateway: InProcess, batch_id: str) -> None:
    """Cancel what runs, and wait until its tokens are free again."""
    await gateway.client().batches.cancel(batch_id)
    assert (await gateway.ended(batch_id)).status == "cancelled"


async def test_a_limit_that_was_learned_is_not_run_into_again(tmp_path: Path, database: Database) -> None:
    """Each of three batches fits alone, and no two of them together: one is refused, never another."""
    async with one_deployment(tmp_path, database, replace(HELD, max_enqueued_tokens=TOKENS)) as gateway:
        file = await gateway.upload(CONTENT)
        first = await gateway.create(file.id)
        await gateway.reached(first.id, "in_progress")
        second = await gateway.create(file.id)
        waiting = await until_waiting(gateway, second.id, "enqueued_tokens")
        assert creates(gateway) == {"in_progress": 1, "failed": 1}
        there = waiting["deployments"]["east"]
        assert there["reason"] == "enqueued_tokens"
        assert "open, and takes 2000 tokens" in waiting["message"]
        assert "this batch needs room for 3 requests and about" in waiting["message"]
        [learned] = await gateway.storage.quotas.known(["east"], 3600)
        assert (learned.model, learned.tokens) == (UPSTREAM["east"], TOKENS)
        await end(gateway, first.id)
        await gateway.reached(second.id, "in_progress")
        third = await gateway.create(file.id)
        waiting = await until_waiting(gateway, third.id, "enqueued_tokens")
        async with gateway.http("admin") as http:
            dry = (
                await http.post(
                    "/batches/dry_run",
                    json={
                        "input_file_id": file.id,
                        "endpoint": "/v1/chat/completions",
                        "completion_window": "24h",
                    },
                )
            ).json()
        assert dry["waiting_for"]["reason"] == "enqueued_tokens"
        await end(gateway, second.id)
        await gateway.reached(third.id, "in_progress")
        await end(gateway, third.id)
        assert creates(gateway) == {"cancelled": 3, "failed": 1}


async def test_a_limit_that_is_configured_needs_no_refusal(tmp_path: Path, database: Database) -> None:
    async with one_deployment(tmp_path, database, HELD, enqueued_tokens=TOKENS) as gateway:
        file = await gateway.upload(CONTENT)
        first = await gateway.create(file.id)
        second = await gateway.create(file.id)
        await until_waiting(gateway, second.id, "enqueued_tokens")
        await gateway.reached(first.id, "in_progress")
        assert creates(gateway) == {"in_progress": 1}
        await end(gateway, first.id)
        await gateway.reached(second.id, "in_progress")
        await end(gateway, second.id)
        assert creates(gateway) == {"cancelled": 2}


async def begun_or_full(gateway: InProcess, batch_id: str) -> str:
    """Whether a batch comes to be `in_progress`, or waits for `enqueued_tokens`."""
    seen = ""

    async def is_known() -> bool:
        nonlocal seen
        batch = await gateway.client().batches.retrieve(batch_id)
        assert batch.model_extra is not None
        waiting: dict[str, str] | None = batch.model_extra["litebatch"]["waiting_for"]
        seen = waiting["reason"] if waiting is not None else batch.status
        return seen in ("in_progress", "enqueued_tokens")

    await gateway.eventually(is_known)
    return seen


async def larger_job_runs(folder: Path, database: Database | None = None, place: str = "") -> list[str]:
    """A job that is larger than what was learned runs there once the limit allows it; what is wrong then.

    `place`: a failpoint at which somebody dies meanwhile.
    """
    database = database or SQLiteDatabase.migrated(folder)
    async with one_deployment(folder, database, replace(HELD, max_enqueued_tokens=10)) as gateway:
        batch = await gateway.create((await gateway.upload(CONTENT)).id)
        await gateway.simulator.until(lambda: creates(gateway)["failed"] > 2)
        assert [each.tokens for each in await gateway.storage.quotas.known(["east"], 3600)] == [10]
        gateway.simulator.account("east").configure(max_enqueued_tokens=None)
        with armed(f"{place}=raise" if place else ""):
            await gateway.reached(batch.id, "in_progress")
        other = await gateway.create((await gateway.upload(CONTENT)).id)
        if await begun_or_full(gateway, other.id) == "enqueued_tokens":
            return ["a limit counts that a job is above which runs"]
        assert await gateway.storage.quotas.known(["east"], 3600) == []
        await end(gateway, batch.id)
    return []


@pytest.mark.parametrize("place", ["", "place.answered", "quota.voiding"])
async def test_an_idle_deployment_is_always_asked(tmp_path: Path, database: Database, place: str) -> None:
    """Whoever sees that a larger job runs forgets the limit, also if somebody died at that.

    Or before it was written that the job was sent: it runs when it is first heard of.
    """
    assert await larger_job_runs(tmp_path, database, place) == []


async def test_another_deployment_takes_what_has_no_room_at_one(tmp_path: Path, database: Database) -> None:
    """Also where the first one is preferred: nobody waits for its room."""
    simulator = Simulator(settings=HELD)
    async with simulator.running() as provider:
        east, west = deployments(provider)
        served = [replace(east, enqueued_tokens=TOKENS, weight=1e6), west]
        async with gateway_on(
            simulator, provider, tmp_path, settings=IMPATIENT, database=database, served=served
        ) as gateway:
            file = await gateway.upload(CONTENT)
            for _ in range(3):
                await gateway.reached((await gateway.create(file.id)).id, "in_progress")
            found = {name: len(account.batches) for name, account in simulator.accounts.items()}
            assert found == {"east": 1, "west": 2}


@pytest.mark.parametrize("fail_fast", [True, False])
async def test_azures_words_are_learned(tmp_path: Path, database: Database, *, fail_fast: bool) -> None:
    """Told by the create or by a batch that fails."""
    settings = replace(HELD, flavour="azure", max_enqueued_tokens=TOKENS, fail_fast=fail_fast)
    simulator = Simulator(settings=settings)
    async with simulator.running() as provider:
        served = deployments(provider, ("east",), "azure v1")
        async with gateway_on(
            simulator, provider, tmp_path, settings=IMPATIENT, database=database, served=served
        ) as gateway:
            file = await gateway.upload(CONTENT)
            await gateway.reached((await gateway.create(file.id)).id, "in_progress")
            second = await gateway.create(file.id)
            await until_waiting(gateway, second.id, "enqueued_tokens")
            assert [each.tokens for each in await gateway.storage.quotas.known(["east"], 3600)] == [TOKENS]
