"""What servers do that speak OpenAI's API and are not OpenAI's."""

from __future__ import annotations

import pytest
from openai import AsyncOpenAI
from openai.types import Batch

from litebatch_asgi.simulator import Account

from .journeys import jsonl, line, submit

TEN = jsonl(*[line(str(number)) for number in range(10)])


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
