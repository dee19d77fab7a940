"""Creates without a clear answer where the provider tells no tags: done once, with no other's results."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

from litebatch_asgi.simulator import Fault
from tests.database import Database, SQLiteDatabase
from tests.harness import PATIENCE_SECONDS, InProcess, ids_of
from tests.simulator.anthropic import anthropic_client
from tests.simulator.anthropic import request as message
from tests.translated.deployed import ANTHROPIC, OPENAI
from tests.translated.stage import Stage, file_of, staged, swiftly

LOST = Fault(call="create_batch", account=ANTHROPIC, when="after", drop=True)
NOT_MADE = Fault(call="create_batch", account=ANTHROPIC, when="before", drop=True)
BUSY = Fault(call="create_batch", account=ANTHROPIC, when="after", status=529)
HELD = frozenset({"in_progress"})

alone = pytest.mark.parametrize("exclusive", [True, False], ids=["exclusive", "shared"])


def held(stage: Stage) -> None:
    stage.simulator.account(ANTHROPIC).configure(hold=HELD)


def let_go(stage: Stage) -> None:
    stage.simulator.account(ANTHROPIC).configure(hold=frozenset())


async def made(gateway: InProcess, *custom_ids: str) -> str:
    file = await gateway.upload(file_of([f'"{each}"' for each in custom_ids]))
    return (await gateway.create(file.id)).id


async def candidate_is_waited_for(gateway: InProcess, batch_id: str) -> None:
    """Wait until admins are told that an open batch may be this one."""
    async with gateway.http("admin") as http:
        with anyio.fail_after(PATIENCE_SECONDS):
            while True:
                told: dict[str, Any] = (await http.get(f"/batches/{batch_id}")).json()["litebatch"]
                waiting: dict[str, Any] = told.get("waiting_for") or {}
                there: dict[str, Any] = waiting.get("deployments", {})
                if there.get(ANTHROPIC, {}).get("reason") == "candidate_open":
                    return
                await anyio.sleep(0.05)


async def outcome(gateway: InProcess, batch_id: str) -> tuple[str, list[str]]:
    batch = await gateway.ended(batch_id)
    return batch.status, ids_of((await gateway.results(batch))[0])


async def of_another(stage: Stage, count: int) -> str:
    """A batch of somebody else with the same credentials."""
    async with anthropic_client(stage.address, ANTHROPIC) as client:
        batch = await client.messages.batches.create(
            requests=[message(f"other-{number}") for number in range(count)]
        )
    return batch.id


@pytest.mark.parametrize("fault", [LOST, BUSY], ids=["cut", "overloaded"])
async def test_the_one_unknown_batch_is_ours_where_nobody_else_makes_any(stage: Stage, fault: Fault) -> None:
    held(stage)
    stage.simulator.add_fault(fault)
    async with stage.gateway(ANTHROPIC, exclusive=True) as gateway:
        batch_id = await made(gateway, "a", "b")
        await gateway.reached(batch_id, "in_progress")
        let_go(stage)
        assert await outcome(gateway, batch_id) == ("completed", ["a", "b"])
        assert len(stage.jobs(ANTHROPIC)) == 1


async def test_an_open_candidate_is_waited_for_where_others_make_batches(
    stage: Stage, database: Database
) -> None:
    held(stage)
    stage.simulator.add_fault(LOST)
    async with stage.gateway(OPENAI, ANTHROPIC) as gateway:
        stage.simulator.account(OPENAI).add_fault(Fault(call="create_batch", status=429, times=1))
        batch_id = await made(gateway, "a", "b")
        await candidate_is_waited_for(gateway, batch_id)
        assert ("unclear",) in await database.rows("SELECT state FROM jobs")
        let_go(stage)
        assert await outcome(gateway, batch_id) == ("completed", ["a", "b"])
        assert len(stage.jobs(ANTHROPIC)) == 1
        assert stage.jobs(OPENAI) == []


@alone
async def test_what_was_not_made_is_made_after_the_grace(stage: Stage, *, exclusive: bool) -> None:
    stage.simulator.add_fault(NOT_MADE)
    async with stage.gateway(ANTHROPIC, exclusive=exclusive) as gateway:
        batch_id = await made(gateway, "a", "b")
        assert await outcome(gateway, batch_id) == ("completed", ["a", "b"])
        assert len(stage.jobs(ANTHROPIC)) == 1


@alone
async def test_the_batch_of_another_with_as_many_requests_is_never_taken(
    stage: Stage, *, exclusive: bool
) -> None:
    """Also where the operator was wrong in saying that nobody else makes any."""
    held(stage)
    foreign = await of_another(stage, 2)
    stage.simulator.add_fault(NOT_MADE)
    async with stage.gateway(ANTHROPIC, exclusive=exclusive) as gateway:
        batch_id = await made(gateway, "a", "b")
        if exclusive:
            await gateway.reached(batch_id, "in_progress")
        else:
            await candidate_is_waited_for(gateway, batch_id)
        let_go(stage)
        assert await outcome(gateway, batch_id) == ("completed", ["a", "b"])
        assert len(stage.jobs(ANTHROPIC)) == 2
        there = next(batch for batch in stage.jobs(ANTHROPIC) if batch.id == foreign)
        assert there.status == "completed"


@alone
async def test_two_lost_creates_of_one_size_get_their_own_results(stage: Stage, *, exclusive: bool) -> None:
    held(stage)
    stage.simulator.add_fault(Fault(call="create_batch", account=ANTHROPIC, when="after", drop=True, times=2))
    names = {"first": ("a", "b"), "second": ("c", "d")}
    batches: dict[str, str] = {}

    async def make(gateway: InProcess, which: str) -> None:
        batches[which] = await made(gateway, *names[which])

    async with stage.gateway(ANTHROPIC, exclusive=exclusive) as gateway:
        async with anyio.create_task_group() as group:
            for which in names:
                group.start_soon(make, gateway, which)
        let_go(stage)
        for which, ids in names.items():
            assert await outcome(gateway, batches[which]) == ("completed", list(ids))
        assert len(stage.jobs(ANTHROPIC)) == 2


@alone
async def test_a_restored_database_finds_what_was_placed_since(tmp_path: Path, *, exclusive: bool) -> None:
    """An open batch of that size is waited for where it can be nobody else's; an ended one tells."""
    settings = swiftly(adopt_grace_seconds=0.05)
    async with staged(tmp_path, SQLiteDatabase.migrated(tmp_path)) as stage:
        held(stage)
        refused = stage.simulator.add_fault(Fault(call="create_batch", status=429, times=None))
        start = partial(stage.gateway, ANTHROPIC, settings=settings, exclusive=exclusive)
        async with start() as gateway:
            batch_id = await made(gateway, "a", "b")
        database, backup = tmp_path / "litebatch.db", tmp_path / "backup.db"
        shutil.copyfile(database, backup)
        stage.simulator.remove_fault(refused)
        async with start() as gateway:
            await gateway.reached(batch_id, "in_progress")
            if not exclusive:
                let_go(stage)
                assert await outcome(gateway, batch_id) == ("completed", ["a", "b"])
        shutil.copyfile(backup, database)
        lists = stage.simulator.add_fault(Fault(call="list_batches", delay=0.0, times=None))
        async with start() as gateway:
            await stage.simulator.until(lambda: lists.struck > 0 or not exclusive)
            let_go(stage)
            assert await outcome(gateway, batch_id) == ("completed", ["a", "b"])
            assert len(stage.jobs(ANTHROPIC)) == 1
