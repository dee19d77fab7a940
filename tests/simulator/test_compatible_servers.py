"""What servers do that speak OpenAI's API and are not OpenAI's."""

from __future__ import annotations

import json
from typing import Literal

import pytest
from openai import AsyncOpenAI
from openai.types import Batch

from litebatch_asgi.simulator import Account, Simulator

from .journeys import by_id, counts, download, finished, jsonl, line, submit, upload

TEN = jsonl(*[line(str(number)) for number in range(10)])


Ending = Literal["cancelled", "expired"]


async def status_of(client: AsyncOpenAI, batch: Batch) -> str:
    """What a retrieve says, which the stock client does not check."""
    return str((await client.batches.retrieve(batch.id)).status)


async def test_a_batch_is_scheduling_before_it_is_validated(client: AsyncOpenAI, account: Account) -> None:
    account.configure(scheduling_seconds=0.0, hold=["scheduling", "validating"])
    batch = await submit(client, TEN)
    seen = [str(batch.status), await status_of(client, batch)]
    for _ in range(2):
        await account.advance(batch.id)
        seen.append(await status_of(client, batch))
    assert seen == ["scheduling", "scheduling", "validating", "in_progress"]
    assert (await account.reached(batch.id)).status == "completed"


@pytest.mark.parametrize("ends", ["cancelled", "expired"])
async def test_a_batch_may_end_while_it_is_scheduling(
    client: AsyncOpenAI, account: Account, ends: str
) -> None:
    account.configure(scheduling_seconds=0.0, hold=["scheduling"])
    batch = await submit(client, TEN)
    if ends == "cancelled":
        assert (await client.batches.cancel(batch.id)).status == "cancelling"
    else:
        account.expire(batch.id)
    shown = await account.reached(batch.id)
    assert (shown.status, shown.in_progress_at, shown.request_counts.completed) == (ends, None, 0)


async def cut_short(client: AsyncOpenAI, account: Account, ends: Ending) -> Batch:
    """A batch that ended so while it ran, with five of ten lines executed, of which one failed."""
    account.configure(hold=["in_progress"])
    content = jsonl(*[line(str(number), simulate=500 if number == 1 else None) for number in range(10)])
    batch = await submit(client, content)
    await account.reached(batch.id, "in_progress")
    if ends == "cancelled":
        await client.batches.cancel(batch.id)
    else:
        account.expire(batch.id)
    await account.reached(batch.id, ends)
    return await client.batches.retrieve(batch.id)


@pytest.mark.parametrize("ends", ["cancelled", "expired"])
async def test_what_is_cut_short_may_have_the_rows_that_were_executed_alone(
    client: AsyncOpenAI, account: Account, ends: Ending
) -> None:
    account.configure(cut_short_results="partial")
    batch = await cut_short(client, account, ends)
    assert counts(batch) == (10, 4, 1)
    output, errors = [
        by_id(await download(client, file_id)) for file_id in (batch.output_file_id, batch.error_file_id)
    ]
    assert (len(output), list(errors)) == (4, ["1"])
    assert batch.usage is not None
    assert batch.usage.total_tokens > 0


@pytest.mark.parametrize("ends", ["cancelled", "expired"])
async def test_results_of_what_is_cut_short_may_be_thrown_away(
    client: AsyncOpenAI, account: Account, ends: Ending
) -> None:
    account.configure(cut_short_results="none")
    batch = await cut_short(client, account, ends)
    assert counts(batch) == (10, 4, 1)
    assert (batch.output_file_id, batch.error_file_id, batch.usage) == (None, None, None)
    assert list(account.files) == [batch.input_file_id]
    assert not account.disk.path(f"{batch.id}.output").exists()


async def test_a_batch_that_is_cancelled_with_everything_done_has_nothing_either(
    client: AsyncOpenAI, account: Account
) -> None:
    account.configure(cut_short_results="none", hold=["finalizing"])
    batch = await submit(client, TEN)
    await account.reached(batch.id, "finalizing")
    await client.batches.cancel(batch.id)
    await account.reached(batch.id, "cancelled")
    batch = await client.batches.retrieve(batch.id)
    assert (counts(batch), batch.output_file_id) == ((10, 10, 0), None)


async def test_completed_batches_have_all_their_results(client: AsyncOpenAI, account: Account) -> None:
    account.configure(cut_short_results="none")
    batch = await finished(client, account, TEN)
    assert len(by_id(await download(client, batch.output_file_id))) == 10


@pytest.mark.parametrize("strings", ["never", "errors", "always"])
async def test_bodies_may_be_json_in_a_string(
    client: AsyncOpenAI, account: Account, strings: Literal["never", "errors", "always"]
) -> None:
    account.configure(string_bodies=strings)
    content = jsonl(line("ü"), line("bad", simulate=429), line("none", simulate={"error": "request_timeout"}))
    batch = await finished(client, account, content)
    good = by_id(await download(client, batch.output_file_id))["ü"]["response"]["body"]
    errors = by_id(await download(client, batch.error_file_id))
    bad = errors["bad"]["response"]["body"]
    assert (isinstance(good, str), isinstance(bad, str)) == (strings == "always", strings != "never")
    good, bad = (json.loads(body) if isinstance(body, str) else body for body in (good, bad))
    assert good["choices"][0]["message"]["content"] == "echo: hello ü"
    assert bad["error"]["code"] == "rate_limit_exceeded"
    assert errors["none"]["response"] is None
    assert batch.usage is not None
    assert good["usage"]["total_tokens"] == batch.usage.total_tokens


@pytest.mark.parametrize("surplus", [-1, 187])
async def test_the_bytes_of_an_upload_may_be_told_wrong(
    client: AsyncOpenAI, account: Account, simulator: Simulator, surplus: int
) -> None:
    account.configure(bytes_surplus=surplus)
    batch = await finished(client, account, TEN)
    file = await client.files.retrieve(batch.input_file_id)
    (listed,) = [each async for each in client.files.list(purpose="batch")]
    assert {file.bytes, listed.bytes, account.files[file.id].bytes} == {len(TEN) + surplus}
    assert await download(client, file.id) == TEN
    assert {each.bytes for each in simulator.journal.select(object_id=file.id)} == {len(TEN)}
    assert batch.output_file_id is not None
    output = await client.files.retrieve(batch.output_file_id)
    assert output.bytes == len(await download(client, output.id))


async def test_the_upload_itself_tells_the_wrong_bytes(client: AsyncOpenAI, account: Account) -> None:
    account.configure(bytes_surplus=187)
    assert (await upload(client, TEN)).bytes == len(TEN) + 187
    account.configure(bytes_surplus=0)
    assert (await upload(client, TEN)).bytes == len(TEN)
