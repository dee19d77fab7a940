"""A batch of those lines of an ended one that have not succeeded."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from msgspec.structs import replace
from openai.types import Batch as OpenAIBatch

from litebatch_asgi import Principal
from litebatch_asgi.errors import AboveLimit, Conflict, RequestError
from litebatch_asgi.models import BatchOptions, Limits
from litebatch_asgi.simulator import Course, Fault, Simulator, SimulatorSettings
from tests.database import BACKENDS, Database
from tests.harness import InProcess, ids_of, rows_of, running_gateway
from tests.rescue.stage import RUNNING, SETTINGS, begun, first_runs, sizes

ALONE = replace(SETTINGS, rescue=False)
"""nothing runs anew by itself"""
ALICE = Principal(owner="alice", key_id="key-alice")
HALF = Course(ends_at=0.5, ends_as="expired")
ON_BOTH = pytest.mark.parametrize("backend", BACKENDS)


def gateway_on(
    folder: Path, database: Database, provider: SimulatorSettings = RUNNING, **options: Any
) -> AbstractAsyncContextManager[InProcess]:
    simulator = Simulator(settings=provider)
    values: dict[str, Any] = {"settings": ALONE, "simulator": simulator} | options
    return running_gateway(folder, database=database, **values)


def failing_once(share: float) -> SimulatorSettings:
    """So much of the lines of a batch fails when it first runs, and not again."""
    return replace(RUNNING, first_run_status=400, first_run_share=share)


async def retry(gateway: InProcess, batch_id: str, **body: Any) -> OpenAIBatch:
    """Ask for it as the stock client can."""
    return await gateway.client().post(f"/batches/{batch_id}/retry", cast_to=OpenAIBatch, body=body or None)


async def refusal(
    gateway: InProcess, batch_id: str, *, key: str | None = None
) -> tuple[int, str | None, httpx2.Response]:
    """Status and code of the answer to it, and the answer."""
    async with gateway.http(key) as http:
        answer = await http.post(f"/batches/{batch_id}/retry")
    assert answer.status_code >= 400, answer.text
    return answer.status_code, answer.json()["error"]["code"], answer


async def ids_sent(gateway: InProcess) -> list[list[str]]:
    """The custom ids of each job, the first one first."""
    jobs = sorted(await gateway.simulator.jobs(), key=lambda job: job.created_at)
    return [sorted(job.custom_ids or ()) for job in jobs]


def counted(batch: OpenAIBatch) -> tuple[int, int, int]:
    counts = batch.request_counts
    assert counts is not None
    return counts.total, counts.completed, counts.failed


@ON_BOTH
async def test_what_has_failed_of_three_tiles_runs_again(tmp_path: Path, database: Database) -> None:
    async with gateway_on(tmp_path, database, failing_once(0.4), max_job_requests=4) as gateway:
        parent = await gateway.ended((await begun(gateway, 12, metadata={"team": "search"})).id)
        seen = await gateway.results(parent)
        failed = ids_of(seen[1])
        assert 0 < len(failed) < 12
        child = await retry(gateway, parent.id)
        assert child.metadata == {"team": "search", "litebatch_retry_of": parent.id}
        assert counted(child) == (len(failed), 0, 0)
        ended = await gateway.ended(child.id)
        assert (ended.status, counted(ended)) == ("completed", (len(failed), len(failed), 0))
        output, error = await gateway.results(ended)
        assert (ids_of(output), error) == (failed, b"")
        assert await gateway.client().batches.retrieve(parent.id) == parent
        assert await gateway.results(parent) == seen
        assert sorted(each for sent in (await ids_sent(gateway))[3:] for each in sent) == failed
        listed = [each.id async for each in gateway.client().batches.list()]
        assert listed == [child.id, parent.id]
        status, _, answer = await refusal(gateway, child.id)
        assert (status, answer.headers["x-should-retry"]) == (409, "false")


@ON_BOTH
async def test_a_batch_that_failed_as_a_whole_runs_again_on_the_copies_that_are_there(
    tmp_path: Path, database: Database
) -> None:
    async with gateway_on(tmp_path, database, max_job_requests=4) as gateway:
        refused = gateway.simulator.add_fault(
            Fault(call="validate_batch", code="invalid_json_line", times=None)
        )
        parent = await gateway.ended((await begun(gateway, 8)).id)
        assert (parent.status, parent.output_file_id, parent.error_file_id) == ("failed", None, None)
        gateway.simulator.remove_fault(refused)
        copies = await gateway.database.rows("SELECT shard, deployment_id, provider_file_id FROM file_copies")
        ended = await gateway.ended((await retry(gateway, parent.id)).id)
        assert (ended.status, counted(ended)) == ("completed", (8, 8, 0))
        later = await gateway.database.rows("SELECT shard, deployment_id, provider_file_id FROM file_copies")
        of_input = {copy for copy in later if copy in copies}
        assert len(of_input) == len(copies)
        assert await gateway.database.rows("SELECT 1 FROM file_shards WHERE batch_id IS NOT NULL") == []


@ON_BOTH
async def test_a_retry_can_be_retried(tmp_path: Path, database: Database) -> None:
    async with gateway_on(tmp_path, database) as gateway:
        first_runs(gateway, HALF, times=2)
        first = await gateway.ended((await begun(gateway, 12)).id)
        second = await gateway.ended((await retry(gateway, first.id)).id)
        third = await gateway.ended((await retry(gateway, second.id)).id)
        assert [each.status for each in (first, second, third)] == ["expired", "expired", "completed"]
        assert [counted(each) for each in (first, second, third)] == [(12, 6, 6), (6, 3, 3), (3, 3, 0)]
        assert await sizes(gateway.simulator) == [12, 6, 3]
        outputs = [(await gateway.results(each))[0] for each in (first, second, third)]
        done = sorted(each for output in outputs for each in ids_of(output))
        assert done == sorted(f"request-{number}" for number in range(12))
        assert third.metadata == {"litebatch_retry_of": second.id}


async def test_the_whole_of_a_retry_runs_again_without_reading_anything(
    tmp_path: Path, database: Database
) -> None:
    async with gateway_on(tmp_path, database) as gateway:
        first_runs(gateway, HALF)
        parent = await gateway.ended((await begun(gateway, 6)).id)
        refused = gateway.simulator.add_fault(
            Fault(call="validate_batch", code="invalid_json_line", times=None)
        )
        second = await gateway.ended((await retry(gateway, parent.id)).id)
        assert (second.status, counted(second)[:2]) == ("failed", (3, 0))
        gateway.simulator.remove_fault(refused)
        third = await gateway.ended((await retry(gateway, second.id)).id)
        assert (third.status, counted(third)) == ("completed", (3, 3, 0))
        assert ids_of((await gateway.results(third))[0]) == ids_of((await gateway.results(parent))[1])


async def test_a_cancelled_retry_has_rows_for_its_own_lines_alone(tmp_path: Path, database: Database) -> None:
    async with gateway_on(tmp_path, database) as gateway:
        first_runs(gateway, HALF)
        parent = await gateway.ended((await begun(gateway, 8)).id)
        gateway.simulator.add_fault(Fault(call="create_batch", status=429, times=None))
        child = await retry(gateway, parent.id)
        assert counted(child) == (4, 0, 0)
        await gateway.client().batches.cancel(child.id)
        ended = await gateway.ended(child.id)
        assert (ended.status, counted(ended)) == ("cancelled", (4, 0, 4))
        error = (await gateway.results(ended))[1]
        assert ids_of(error) == ids_of((await gateway.results(parent))[1])
        assert {row["error"]["code"] for row in rows_of(error)} == {"batch_cancelled"}
        assert await gateway.database.rows("SELECT 1 FROM reservations") == []


async def test_a_retry_is_rescued_as_any_batch(tmp_path: Path, database: Database) -> None:
    async with gateway_on(tmp_path, database) as gateway:
        first_runs(gateway, HALF, times=2)
        parent = await gateway.ended((await begun(gateway, 12)).id)
        child = await retry(gateway, parent.id, litebatch={"rescue": True})
        ended = await gateway.ended(child.id)
        assert (ended.status, counted(ended)) == ("completed", (6, 6, 0))
        assert await sizes(gateway.simulator) == [12, 6, 3]


async def test_either_result_file_tells_what_has_succeeded(tmp_path: Path, database: Database) -> None:
    async with gateway_on(tmp_path, database) as gateway:
        for kept in ("output_file_id", "error_file_id"):
            first_runs(gateway, HALF)
            parent = await gateway.ended((await begun(gateway, 6)).id)
            undone = ids_of((await gateway.results(parent))[1])
            (gone,) = {parent.output_file_id, parent.error_file_id} - {getattr(parent, kept)}
            assert gone is not None
            await gateway.client().files.delete(gone)
            ended = await gateway.ended((await retry(gateway, parent.id)).id)
            assert ids_of((await gateway.results(ended))[0]) == undone


async def test_what_cannot_be_retried(tmp_path: Path, database: Database) -> None:
    async with gateway_on(tmp_path, database) as gateway:
        first_runs(gateway, HALF, times=2)
        gone, lost = [await gateway.ended((await begun(gateway, 4)).id) for _ in range(2)]
        assert (await refusal(gateway, gone.id, key="bob"))[:2] == (404, None)
        assert (await refusal(gateway, "batch_lb-nobody"))[:2] == (404, None)
        assert (await refusal(gateway, gone.id, key="alice:another"))[:2] == (403, "model_access_denied")
        await gateway.client().files.delete(gone.input_file_id)
        status, code, answer = await refusal(gateway, gone.id)
        assert (status, code, answer.headers["x-should-retry"]) == (409, "input_unavailable", "false")
        assert gone.input_file_id in answer.json()["error"]["message"]
        for file_id in (lost.output_file_id, lost.error_file_id):
            assert file_id is not None
            await gateway.client().files.delete(file_id)
        assert (await refusal(gateway, lost.id))[:2] == (409, "results_unavailable")
        assert len(await gateway.database.rows("SELECT 1 FROM batches")) == 2


async def test_a_batch_that_runs_is_not_retried(tmp_path: Path, database: Database) -> None:
    settings = replace(RUNNING, hold=frozenset({"in_progress"}))
    async with gateway_on(tmp_path, database, settings) as gateway:
        batch = await gateway.reached((await begun(gateway, 3)).id, "in_progress")
        status, _, answer = await refusal(gateway, batch.id)
        assert (status, answer.headers["x-should-retry"]) == (409, "false")
        assert "in_progress" in answer.json()["error"]["message"]


async def test_one_key_makes_one_retry(tmp_path: Path, database: Database) -> None:
    async with gateway_on(tmp_path, database) as gateway:
        first_runs(gateway, HALF)
        parent = await gateway.ended((await begun(gateway, 6)).id)
        path, key = f"/batches/{parent.id}/retry", {"idempotency-key": "again"}
        async with gateway.http() as http:
            first = await http.post(path, headers=key)
            assert first.status_code == 200, first.text
            await gateway.client().files.delete(parent.input_file_id)
            again = await http.post(path, headers=key)
            other = await http.post(path, headers=key, json={"metadata": {"a": "b"}})
        assert again.headers["idempotency-replayed"] == "true"
        assert again.json()["id"] == first.json()["id"]
        assert (other.status_code, other.json()["error"]["code"]) == (422, "idempotency_key_in_use")
        assert (await gateway.ended(first.json()["id"])).status == "completed"


async def test_a_retry_counts_as_much_as_it_runs(tmp_path: Path, database: Database) -> None:
    async with gateway_on(tmp_path, database) as gateway:
        first_runs(gateway, HALF)
        parent = await gateway.ended((await begun(gateway, 8)).id)
        gateway.simulator.add_fault(Fault(call="create_batch", status=429, times=None))
        retries = gateway.litebatch.batches.retry
        few = replace(ALICE, limits=(Limits(scope="user:alice", max_batch_requests=3),))
        with pytest.raises(AboveLimit):
            await retries(few, parent.id)
        enough = replace(ALICE, limits=(Limits(scope="user:alice", max_batch_requests=4),))
        child = await retries(enough, parent.id)
        ((requests, tokens),) = await gateway.database.rows("SELECT requests, tokens FROM reservations")
        ((of_file,),) = await gateway.database.rows("SELECT tokens FROM files WHERE kind = 'input'")
        assert requests == 4
        assert 0 < int(tokens) < int(of_file)
        assert child.retry_of == parent.id


async def test_a_retry_is_as_its_parent_unless_it_says_otherwise(tmp_path: Path, database: Database) -> None:
    async with gateway_on(tmp_path, database) as gateway:
        first_runs(gateway, HALF)
        options = {"rescue": False, "row_retries": 2}
        expires: Any = {"anchor": "created_at", "seconds": 7200}
        begun_as = await begun(
            gateway, 4, output_expires_after=expires, metadata={"a": "b"}, extra_body={"litebatch": options}
        )
        parent = await gateway.ended(begun_as.id)
        gateway.simulator.add_fault(Fault(call="create_batch", status=429, times=None))
        retries = gateway.litebatch.batches.retry
        alike = await retries(ALICE, parent.id)
        assert (alike.options, alike.output_expires_after) == (
            BatchOptions(rescue=False, row_retries=2),
            7200,
        )
        other = await retries(ALICE, parent.id, metadata={"c": "d"}, rescue=True, at_expiry="stop")
        assert other.options == BatchOptions(rescue=True, row_retries=2, at_expiry="stop")
        assert other.metadata == {"c": "d", "litebatch_retry_of": parent.id}
        with pytest.raises(RequestError) as refused:
            await retries(ALICE, parent.id, custom_llm_provider="azure")
        assert refused.value.status == 400
        with pytest.raises(Conflict):
            await retries(ALICE, alike.id)


async def test_lines_run_again_in_another_language(tmp_path: Path, database: Database) -> None:
    settings = replace(failing_once(0.4), flavour="mistral")
    async with gateway_on(tmp_path, database, settings, flavour="mistral") as gateway:
        parent = await gateway.ended((await begun(gateway, 8)).id)
        failed = ids_of((await gateway.results(parent))[1])
        assert 0 < len(failed) < 8
        ended = await gateway.ended((await retry(gateway, parent.id)).id)
        assert (ended.status, counted(ended)) == ("completed", (len(failed), len(failed), 0))
        assert ids_of((await gateway.results(ended))[0]) == failed
