"""How batches run: slowly, not to their end, or to another one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Literal

import openai
import pytest
from openai import AsyncOpenAI
from openai.types import Batch

from litebatch_asgi.simulator import Account, Course, Fault, Simulator
from litebatch_asgi.simulator.objects import TERMINAL

from . import anthropic, azure, mistral, vertex
from .journeys import by_id, counts, download, finished, jsonl, line, rows, stock_client, submit
from .mistral import mistral_client

TEN = jsonl(*[line(str(number)) for number in range(10)])
SLOW = Course(rows_per_second=0.01)
"""a line in 100 seconds"""


@pytest.fixture(params=["openai", "azure"])
async def client(
    request: pytest.FixtureRequest, address: str, account: Account
) -> AsyncIterator[AsyncOpenAI]:
    """The stock client of an account that is OpenAI's, or Azure's."""
    account.configure(flavour=request.param, pending_seconds=0.0, running_seconds=0.0)
    if request.param == "openai":
        async with stock_client(address) as client:
            yield client
    else:
        async with azure.azure_client(address, "v1") as client:
            yield client


async def started(client: AsyncOpenAI, account: Account, content: bytes = TEN, **more: Any) -> Batch:
    """A batch that is `in_progress`, or was."""
    if account.settings.flavour == "azure":
        batch = await azure.submit(client, account, content, **more)
    else:
        batch = await submit(client, content, **more)
    await account.reached(batch.id, "in_progress", "finalizing", *TERMINAL)
    return batch


async def retrieved(client: AsyncOpenAI, account: Account, batch: Batch) -> Batch:
    """A batch that has ended."""
    await account.reached(batch.id)
    return await client.batches.retrieve(batch.id)


async def found(client: AsyncOpenAI, batch: Batch) -> tuple[set[str], set[str | None]]:
    """The custom ids in the output, and the codes of errors in the error file; no line may be in both."""
    done = by_id(await download(client, batch.output_file_id)) if batch.output_file_id else {}
    left = by_id(await download(client, batch.error_file_id)) if batch.error_file_id else {}
    assert not set(done) & set(left)
    assert all(row["response"] is None for row in left.values())
    return set(done), {row["error"]["code"] for row in left.values()}


async def test_counts_grow_with_the_clock(client: AsyncOpenAI, account: Account) -> None:
    account.configure(course=SLOW)
    content = jsonl(*[line(str(number), simulate=500 if number % 2 else None) for number in range(10)])
    batch = await started(client, account, content)
    seen = []
    for seconds in (0, 310, 310, 750, 999):
        account.configure(clock_offset=float(seconds))
        seen.append(counts(await client.batches.retrieve(batch.id)))
    # every other line comes first
    assert seen == [(10, 0, 0), (10, 0, 3), (10, 0, 3), (10, 2, 5), (10, 4, 5)]
    account.configure(clock_offset=1000.0)
    batch = await retrieved(client, account, batch)
    assert (batch.status, counts(batch)) == ("completed", (10, 5, 5))


async def test_a_share_can_be_done_in_a_second(client: AsyncOpenAI, account: Account) -> None:
    account.configure(course={"share_per_second": 0.001})
    batch = await started(client, account)
    account.configure(clock_offset=505.0)
    assert counts(await client.batches.retrieve(batch.id)) == (10, 5, 0)
    account.configure(clock_offset=0.0)
    assert counts(await client.batches.retrieve(batch.id)) == (10, 5, 0)


@pytest.mark.parametrize(("share", "done"), [(0.0, 0), (0.99, 99), (1.0, 100)])
async def test_batches_are_stuck_until_they_are_released(
    client: AsyncOpenAI, account: Account, share: float, done: int
) -> None:
    account.configure(course=Course(stuck_at=share))
    batch = await started(client, account, jsonl(*[line(str(number)) for number in range(100)]))
    account.configure(clock_offset=3600.0)
    shown = await client.batches.retrieve(batch.id)
    assert (shown.status, counts(shown)) == ("in_progress", (100, done, 0))
    account.release(batch.id)
    shown = await retrieved(client, account, batch)
    assert (shown.status, counts(shown)) == ("completed", (100, 100, 0))


async def test_one_batch_is_stuck_until_its_fault_is_removed(client: AsyncOpenAI, account: Account) -> None:
    course = Course(rows_per_second=0.01, stuck_at=0.3)
    armed = account.add_fault(Fault(call="start_batch", match="stuck", course=course))
    stuck = await started(client, account, metadata={"job": "stuck"})
    other = await started(client, account)
    assert (await retrieved(client, account, other)).status == "completed"
    account.configure(clock_offset=5000.0)
    assert counts(await client.batches.retrieve(stuck.id)) == (10, 3, 0)
    # it goes on from where it is
    account.configure(course=SLOW)
    account.faults.remove(armed.key)
    account.configure(clock_offset=5250.0)
    assert counts(await client.batches.retrieve(stuck.id)) == (10, 5, 0)
    account.configure(course=Course())
    assert (await retrieved(client, account, stuck)).status == "completed"


async def test_batches_of_one_model_are_stuck(client: AsyncOpenAI, account: Account) -> None:
    account.add_fault(Fault(call="start_batch", model="slow", times=None, course=Course(stuck_at=0.0)))
    stuck = await started(client, account, jsonl(line("a", model="slow")))
    other = await started(client, account, jsonl(line("a", model="slower")))
    assert (await retrieved(client, account, other)).status == "completed"
    assert (await client.batches.retrieve(stuck.id)).status == "in_progress"


@pytest.mark.parametrize("told", ["ended", "never"])
async def test_a_batch_tells_no_counts_while_it_works(
    client: AsyncOpenAI, account: Account, told: Literal["ended", "never"]
) -> None:
    account.configure(course=Course(counts=told, stuck_at=0.5), finalizing_seconds=0, hold=["finalizing"])
    batch = await started(client, account)
    assert counts(await client.batches.retrieve(batch.id)) == (10, 0, 0)
    await account.advance(batch.id)
    shown = await client.batches.retrieve(batch.id)
    assert (shown.status, counts(shown)) == ("finalizing", (10, 0, 0))
    await account.advance(batch.id)
    shown = await client.batches.retrieve(batch.id)
    assert (shown.status, counts(shown)) == ("completed", (10, 10 if told == "ended" else 0, 0))
    assert len(rows(await download(client, shown.output_file_id))) == 10


@pytest.mark.parametrize("left", ["whole", "partial", "none"])
@pytest.mark.parametrize("ending", ["expired", "cancelled", "failed"])
async def test_a_batch_ends_in_the_middle(
    client: AsyncOpenAI,
    account: Account,
    ending: Literal["expired", "cancelled", "failed"],
    left: Literal["whole", "partial", "none"],
) -> None:
    course = Course(ends_at=0.7, ends_as=ending, cut_short_results=left)
    account.add_fault(Fault(call="start_batch", course=course))
    batch = await retrieved(client, account, await started(client, account))
    has_rows_of_rest = left == "whole" and ending != "failed"
    assert (batch.status, counts(batch)) == (ending, (10, 7, 3 if has_rows_of_rest else 0))
    done, codes = await found(client, batch)
    assert len(done) == (0 if left == "none" else 7)
    assert codes == ({f"batch_{ending}"} if has_rows_of_rest else set())
    assert (batch.errors is not None) is (ending == "failed")


async def test_a_batch_that_ran_fails_as_it_is_told_to(client: AsyncOpenAI, account: Account) -> None:
    account.add_fault(Fault(call="run_batch", ending="failed", code="input_modified", message="Oh."))
    batch = await retrieved(client, account, await started(client, account))
    assert batch.errors is not None
    assert batch.errors.data is not None
    assert [(each.code, each.message) for each in batch.errors.data] == [("input_modified", "Oh.")]
    assert (batch.status, counts(batch)) == ("failed", (10, 5, 0))
    assert len((await found(client, batch))[0]) == 5


async def test_a_batch_expires_at_the_end_of_its_window(client: AsyncOpenAI, account: Account) -> None:
    account.configure(course=SLOW, window_seconds=450.0)
    batch = await started(client, account)
    assert batch.expires_at == batch.created_at + 450
    account.configure(clock_offset=449.0)
    assert (await client.batches.retrieve(batch.id)).status == "in_progress"
    account.configure(clock_offset=450.0)
    batch = await retrieved(client, account, batch)
    assert (batch.status, counts(batch)) == ("expired", (10, 4, 6))
    done, codes = await found(client, batch)
    assert (len(done), codes) == (4, {"batch_expired"})


async def test_a_window_ends_by_itself(client: AsyncOpenAI, account: Account) -> None:
    account.configure(course=Course(stuck_at=0.2), window_seconds=0.2)
    batch = await retrieved(client, account, await started(client, account))
    assert (batch.status, counts(batch)) == ("expired", (10, 2, 8))


async def test_a_batch_that_was_in_time_does_not_expire(client: AsyncOpenAI, account: Account) -> None:
    account.configure(course=SLOW, window_seconds=2000.0)
    batch = await started(client, account)
    account.configure(clock_offset=1500.0)
    assert (await retrieved(client, account, batch)).status == "completed"


@pytest.mark.parametrize("left", ["whole", "partial"])
async def test_a_cancelled_batch_keeps_what_was_done_by_then(
    client: AsyncOpenAI, account: Account, left: str
) -> None:
    account.configure(course=SLOW, cut_short_results=left, hold=["cancelling"])
    batch = await started(client, account)
    account.configure(clock_offset=350.0)
    assert counts(await client.batches.cancel(batch.id)) == (10, 3, 0)
    account.configure(clock_offset=900.0)
    assert counts(await client.batches.retrieve(batch.id)) == (10, 3, 0)
    await account.advance(batch.id)
    batch = await client.batches.retrieve(batch.id)
    assert (batch.status, counts(batch)) == ("cancelled", (10, 3, 7 if left == "whole" else 0))
    done, codes = await found(client, batch)
    assert (len(done), codes) == (3, {"batch_cancelled"} if left == "whole" else set())


async def test_a_cancellation_takes_for_ever(client: AsyncOpenAI, account: Account) -> None:
    account.configure(course=Course(stuck_at=0.5), cancelling_seconds=0.0)
    armed = account.add_fault(Fault(call="finish_cancel", match="slow", stall=True, times=None))
    slow = await started(client, account, metadata={"job": "slow"})
    other = await started(client, account)
    for batch in (slow, other):
        await client.batches.cancel(batch.id)
    await account.reached(other.id, "cancelled")
    account.release(slow.id)
    account.configure(clock_offset=100_000.0)
    assert (await client.batches.retrieve(slow.id)).status == "cancelling"
    account.faults.remove(armed.key)
    assert counts(await retrieved(client, account, slow)) == (10, 5, 5)


async def test_a_cancellation_takes_its_time(client: AsyncOpenAI, account: Account) -> None:
    account.configure(course=Course(stuck_at=0.5), cancelling_seconds=0.0)
    account.add_fault(Fault(call="finish_cancel", delay=0.2))
    batch = await started(client, account)
    await client.batches.cancel(batch.id)
    await account.reached(batch.id)
    history = dict(account.batch_store[batch.id].history)
    assert history["cancelled"] - history["cancelling"] >= 0.2


@pytest.mark.parametrize("status", [400, 409, 429, 500, 503])
async def test_a_cancel_is_refused_for_a_deployment(
    client: AsyncOpenAI, account: Account, status: int
) -> None:
    account.configure(course=Course(stuck_at=0.5))
    account.add_fault(Fault(call="cancel_batch", model="gpt-4o-mini", status=status, times=2))
    batch = await started(client, account)
    other = await started(client, account, jsonl(line("a", model="another")))
    await client.batches.cancel(other.id)
    for _ in range(2):
        with pytest.raises(openai.APIStatusError) as refused:
            await client.batches.cancel(batch.id)
        assert refused.value.status_code == status
    assert (await client.batches.retrieve(batch.id)).status == "in_progress"
    assert (await client.batches.cancel(batch.id)).status == "cancelling"


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_cancel_is_not_answered(
    client: AsyncOpenAI, account: Account, when: Literal["before", "after"]
) -> None:
    account.configure(course=Course(stuck_at=0.5), hold=["cancelling"])
    account.add_fault(Fault(call="cancel_batch", drop=True, when=when))
    batch = await started(client, account)
    with pytest.raises(openai.APIConnectionError):
        await client.batches.cancel(batch.id)
    shown = await client.batches.retrieve(batch.id)
    assert shown.status == ("in_progress" if when == "before" else "cancelling")


async def test_a_batch_starts_late(client: AsyncOpenAI, account: Account) -> None:
    account.configure(course=Course(stuck_at=0.5))
    armed = account.add_fault(Fault(call="start_batch", stall=True))
    batch = await started(client, account)
    assert counts(await client.batches.retrieve(batch.id)) == (10, 0, 0)
    account.faults.remove(armed.key)
    progress = account.batch_store[batch.id]
    account.release(batch.id)
    await account.wakeup.until(lambda: progress.batch.status == "completed")


async def test_vertex_jobs_have_courses(address: str, account: Account) -> None:
    account.configure(flavour="vertex", course=SLOW)
    async with vertex.vertex_http(address, account) as http:
        await vertex.upload(http, vertex.TEN)
        name = (await vertex.create(http))["name"]
        await account.reached(name, "in_progress")
        account.configure(clock_offset=410.0)
        shown = await vertex.job(http, name)
        assert shown["completionStats"] == {"successfulCount": "4", "incompleteCount": "6"}
        account.configure(course=Course(ends_at=0.6))
        account.release(name)
        await account.reached(name)
        ended = await vertex.job(http, name)
        assert ended["state"] == "JOB_STATE_EXPIRED"
        assert len(await vertex.output(http, ended)) == 6


async def test_mistral_jobs_have_courses(address: str, account: Account) -> None:
    account.configure(flavour="mistral", course=Course(rows_per_second=0.01, ends_at=0.6, ends_as="failed"))
    async with mistral_client(address) as client:
        content = b"".join(mistral.line(str(number)) for number in range(10))
        job = await mistral.submitted(client, content)
        await account.reached(job.id, "in_progress")
        account.configure(clock_offset=410.0)
        assert (await client.batch.jobs.get_async(job_id=job.id)).completed_requests == 4
        account.configure(clock_offset=610.0)
        await account.reached(job.id)
        job = await client.batch.jobs.get_async(job_id=job.id)
        assert (job.status, job.succeeded_requests, len(job.errors)) == ("FAILED", 6, 1)
        assert len(await mistral.rows(client, job.output_file)) == 6


async def test_message_batches_have_courses(address: str, account: Account) -> None:
    account.configure(flavour="anthropic", course=Course(ends_at=0.6))
    requests = [anthropic.request(str(number)) for number in range(10)]
    async with anthropic.anthropic_client(address) as client:
        batch = await anthropic.finished(client, account, *requests)
        assert anthropic.counts(batch) == (0, 6, 0, 0, 4)
        account.configure(course=Course(ends_at=0.6, ends_as="cancelled", cut_short_results="partial"))
        batch = await anthropic.finished(client, account, *requests)
        assert anthropic.counts(batch) == (0, 6, 0, 4, 0)
        assert len(await anthropic.results(client, batch.id)) == 10


async def test_the_same_lines_are_done_each_time(address: str, simulator: Simulator) -> None:
    seen = []
    for share in (0.3, 0.3, 0.6):
        account = simulator.account("east")
        account.configure(course=Course(ends_at=share))
        async with stock_client(address) as client:
            batch = await finished(client, account, TEN)
            seen.append((await found(client, batch))[0])
    assert seen[0] == seen[1] < seen[2]
