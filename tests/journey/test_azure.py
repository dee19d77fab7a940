"""The journey over Azure's two kinds of paths, with what is odd there."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from litebatch_asgi.simulator import Fault, Simulator, SimulatorSettings
from tests.database import Database
from tests.harness import Gateway, InProcess, ids_of, lines, rows_of, running_gateway

IDS = sorted(f"request-{n}" for n in range(12))


@pytest.fixture(params=["azure classic", "azure v1"])
def flavour(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
async def azure(tmp_path: Path, database: Database, flavour: str) -> AsyncGenerator[InProcess]:
    settings = SimulatorSettings(flavour="azure", odd_casing=None, pending_seconds=0.1)
    async with running_gateway(
        tmp_path, database=database, simulator=Simulator(settings=settings), flavour=flavour
    ) as gateway:
        yield gateway


async def test_a_batch_runs_through(azure: Gateway) -> None:
    content = lines(12)
    file = await azure.upload(content)
    batch = await azure.ended((await azure.create(file.id)).id)
    assert batch.status == "completed"
    output, errors = await azure.results(batch)
    assert (ids_of(output), errors) == (IDS, b"")
    assert batch.error_file_id is None, "a zero-byte error file is none"
    assert batch.request_counts is not None
    assert batch.request_counts.model_dump() == {"total": 12, "completed": 12, "failed": 0}
    assert await azure.content(file.id) == content
    assert batch.usage is not None
    assert batch.usage.total_tokens > 0


async def test_a_batch_created_while_the_copies_are_pending_waits_for_them(
    tmp_path: Path, database: Database, flavour: str
) -> None:
    settings = SimulatorSettings(flavour="azure", hold=frozenset({"pending"}))
    simulator = Simulator(settings=settings)
    async with running_gateway(tmp_path, database=database, simulator=simulator, flavour=flavour) as gateway:
        file = await gateway.upload(lines(12))
        assert file.status == "uploaded"
        batch = await gateway.create(file.id)
        assert batch.status == "validating"
        assert gateway.provider_jobs() == []
        simulator.account("west").release()
        done = await gateway.ended(batch.id)
        assert done.status == "completed"
        assert len(simulator.account("west").batches) == 1
        assert (await gateway.client().files.retrieve(file.id)).status == "processed"


async def test_a_copy_that_turns_error_sends_the_batch_elsewhere(azure: Gateway) -> None:
    azure.simulator.add_fault(Fault(call="check_file", account="east", file_status="error"))
    file = await azure.upload(lines(12))
    batch = await azure.ended((await azure.create(file.id)).id)
    assert batch.status == "completed"
    assert list(azure.simulator.account("east").batches) == []


async def test_copies_that_all_turn_error_fail_the_batch(azure: Gateway) -> None:
    azure.simulator.add_fault(Fault(call="check_file", file_status="error", times=None))
    file = await azure.upload(lines(12))
    batch = await azure.ended((await azure.create(file.id)).id)
    assert batch.status == "failed"
    assert (await azure.client().files.retrieve(file.id)).status == "error"


@pytest.mark.parametrize("fail_fast", [True, False])
async def test_a_full_token_queue_is_waited_for(
    tmp_path: Path, database: Database, flavour: str, *, fail_fast: bool
) -> None:
    """Source: openai-python#2084, failed jobs still hold the token queue; BerriAI/litellm#37539."""
    settings = SimulatorSettings(flavour="azure", max_enqueued_tokens=1, fail_fast=fail_fast)
    simulator = Simulator(settings=settings)
    async with running_gateway(tmp_path, database=database, simulator=simulator, flavour=flavour) as gateway:
        file = await gateway.upload(lines(12))
        batch = await gateway.create(file.id)
        assert batch.status == "validating"
        await simulator.until(lambda: len(simulator.journal.select("create_batch")) > 3)
        assert (await gateway.reached(batch.id, "validating")).errors is None
        for name in ("east", "west"):
            simulator.account(name).configure(max_enqueued_tokens=None)
        assert (await gateway.ended(batch.id)).status == "completed"


async def test_a_cancelled_batch_lists_every_line_once(
    tmp_path: Path, database: Database, flavour: str
) -> None:
    settings = SimulatorSettings(flavour="azure", hold=frozenset({"in_progress"}))
    simulator = Simulator(settings=settings)
    async with running_gateway(tmp_path, database=database, simulator=simulator, flavour=flavour) as gateway:
        file = await gateway.upload(lines(12))
        batch = await gateway.reached((await gateway.create(file.id)).id, "in_progress")
        await gateway.client().batches.cancel(batch.id)
        done = await gateway.ended(batch.id)
        assert done.status == "cancelled"
        output, errors = await gateway.results(done)
        assert sorted(ids_of(output) + ids_of(errors)) == IDS
        assert {row["error"]["code"] for row in rows_of(errors)} == {"batch_cancelled"}


async def test_copies_are_given_a_life_that_azure_allows(azure: Gateway) -> None:
    file = await azure.client().files.create(
        file=("in.jsonl", lines()), purpose="batch", expires_after={"anchor": "created_at", "seconds": 3600}
    )
    assert file.expires_at == file.created_at + 3600
    for entry in azure.simulator.journal.select("upload_file"):
        assert entry.status in (200, 201)
        assert entry.request["expires_after[seconds]"] == "1209600"


async def test_a_deleted_file_is_deleted_at_azure(azure: Gateway) -> None:
    file = await azure.upload()
    await azure.client().files.delete(file.id)
    await azure.simulator.until(lambda: not azure.provider_files("east") + azure.provider_files("west"))
