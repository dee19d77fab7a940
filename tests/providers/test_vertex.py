"""The adapter for Vertex AI against the simulator, where something goes wrong."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import msgspec
import pytest

from litebatch_asgi.causes import Cause, cause_of
from litebatch_asgi.errors import DeploymentRefused, NoClearAnswer
from litebatch_asgi.models import BatchStatus, ProviderBatch
from litebatch_asgi.provider import ProviderAdapter
from litebatch_asgi.providers.vertex import resumable
from litebatch_asgi.simulator import Account, Fault, Simulator, SimulatorSettings

from .vertex import QUARTER, SUBMISSION, SmallChunks, vertex_for
from .wire import upload_of

CONTENT = bytes(range(256)) * (QUARTER // 128) + b"end"
LINE = (
    b'{"custom_id":"r%d","request":{"contents":[{"role":"user","parts":[{"text":"hello"}]}],'
    b'"labels":{"litebatch_line":"r%d"}}}\n'
)


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resumable, "FIRST_PAUSE_SECONDS", 0.01)


@pytest.fixture
def simulator() -> Simulator:
    settings = SimulatorSettings(flavour="vertex", running_seconds=0.05, output_shards=2)
    return Simulator(settings=settings)


@pytest.fixture
async def adapter(simulator: Simulator) -> AsyncGenerator[SmallChunks]:
    async with simulator.running() as address:
        given = json.dumps(await simulator.service_account(address, "east"))
        async with vertex_for(f"{address}/east", vertex_credentials=given, seconds=30) as adapter:
            yield adapter


@pytest.fixture
def account(simulator: Simulator, adapter: ProviderAdapter) -> Account:
    return simulator.account("east")


async def ids(adapter: ProviderAdapter) -> list[str]:
    """Of all files under the name of our uploads."""
    since = datetime.now(UTC) - timedelta(minutes=5)
    name = upload_of().filename
    return [file.id async for file in adapter.list_files(since=since) if file.filename == name]


async def content_of(adapter: ProviderAdapter, file_id: str) -> bytes:
    async with adapter.stream_file(file_id) as stream:
        return b"".join([block async for block in stream.blocks])


async def ended(adapter: ProviderAdapter, batch: ProviderBatch) -> ProviderBatch:
    with anyio.fail_after(30):
        while not batch.status.is_final:
            await anyio.sleep(0.02)
            batch = await adapter.retrieve_batch(batch.id)
    return batch


async def job_of(adapter: ProviderAdapter, lines: int) -> ProviderBatch:
    file = await adapter.upload_file(upload_of(*(LINE % (n, n) for n in range(1, lines + 1))))
    return await adapter.create_batch(
        msgspec.structs.replace(SUBMISSION, input_file_id=file.id, model="gemini-2.5-flash")
    )


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_last_chunk_whose_answer_is_lost_makes_one_object(
    adapter: SmallChunks, simulator: Simulator, when: Any
) -> None:
    simulator.add_fault(Fault(call="upload_file", when=when, drop=True))
    file = await adapter.upload_file(upload_of(CONTENT))
    assert await ids(adapter) == [file.id]
    assert await content_of(adapter, file.id) == CONTENT


async def test_an_upload_in_doubt_is_found_in_the_list_by_its_name(
    adapter: SmallChunks, simulator: Simulator
) -> None:
    simulator.add_fault(Fault(call="upload_file", when="after", drop=True))
    simulator.add_fault(Fault(call="upload_chunk", skip=2, drop=True, times=None))
    with pytest.raises(NoClearAnswer):
        await adapter.upload_file(upload_of(CONTENT))
    [found] = await ids(adapter)
    assert await content_of(adapter, found) == CONTENT


@pytest.mark.parametrize("fault", [{"drop": True}, {"status": 503}, {"cut_request_after": 1000}])
async def test_an_upload_that_is_torn_leaves_nothing(
    adapter: SmallChunks, simulator: Simulator, fault: dict[str, Any]
) -> None:
    simulator.add_fault(Fault(call="upload_chunk", times=None, **fault))
    with pytest.raises(DeploymentRefused, match="the upload broke off"):
        await adapter.upload_file(upload_of(CONTENT))
    assert await ids(adapter) == []


@pytest.mark.parametrize(
    "fault", [{"drop": True}, {"status": 503}, {"status": 429}, {"when": "after", "drop": True}]
)
async def test_chunks_that_break_are_sent_again_and_nothing_is_lost(
    adapter: SmallChunks, simulator: Simulator, fault: dict[str, Any]
) -> None:
    simulator.add_fault(Fault(call="upload_chunk", times=3, **fault))
    file = await adapter.upload_file(upload_of(CONTENT))
    assert await content_of(adapter, file.id) == CONTENT


async def test_what_vertex_may_not_read_is_the_deployments_fault(
    adapter: SmallChunks, account: Account
) -> None:
    account.configure(agent_buckets=frozenset())
    batch = await ended(adapter, await job_of(adapter, 2))
    assert batch.status is BatchStatus.FAILED
    assert cause_of(batch.errors, others_left=False) is Cause.DEPLOYMENT
    assert "@gcp-sa-aiplatform.iam.gserviceaccount.com" in (batch.errors[0].message or "")


async def test_a_file_that_cannot_be_imported_is_not_the_contents_fault(adapter: SmallChunks) -> None:
    file = await adapter.upload_file(upload_of(b'{"request":{"contents":[],"tools":{}}}\n'))
    submission = msgspec.structs.replace(SUBMISSION, input_file_id=file.id, model="gemini-2.5-flash")
    batch = await ended(adapter, await adapter.create_batch(submission))
    assert batch.status is BatchStatus.FAILED
    assert "Failed to import data" in (batch.errors[0].message or "")
    assert cause_of(batch.errors, others_left=True) is Cause.DEPLOYMENT


async def test_what_a_cancelled_job_has_done_can_be_read_and_deleted(
    adapter: SmallChunks, account: Account
) -> None:
    account.configure(hold=frozenset({"in_progress"}))
    batch = await job_of(adapter, 10)
    await account.reached(batch.id, "in_progress")
    await adapter.cancel_batch(batch.id)
    batch = await ended(adapter, batch)
    assert batch.status is BatchStatus.CANCELLED
    assert batch.output_file_id is not None
    dialect = adapter.dialect("gemini-2.5-flash")
    assert dialect is not None
    rows = (await content_of(adapter, batch.output_file_id)).splitlines()
    lines = [dialect.decode(row).line for row in rows]
    assert 0 < len(set(lines)) == len(lines) <= 10
    await adapter.delete_file(batch.output_file_id)
    names = account.file_store.all(account.settings.project)
    assert not [each for each in names if each.shown.id.startswith(batch.output_file_id)]
