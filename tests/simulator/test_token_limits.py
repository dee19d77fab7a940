"""Queues that have room for so many input tokens."""

from __future__ import annotations

from typing import Literal

import openai
import pytest
from openai import AsyncOpenAI

from litebatch_asgi.simulator import Account

from . import azure
from .azure import azure_client
from .journeys import jsonl, line, submit

LIMITS = {"gpt-4o": 2_000_000, "small": 5}
OPENAI_SAYS = (
    "Enqueued token limit reached for {model} in organization org-simulator. "
    "Limit: {limit} enqueued tokens. Please try again once some in_progress batches have been completed."
)
AZURE_SAYS = (
    "The number of enqueued tokens has surpassed the configured limit of {limit} for the deployment "
    "'{model}'. Please either increase the limit or try again once the current jobs have finished."
)


def content(model: str, tokens: int = 3) -> bytes:
    said = {"role": "user", "content": "word" * tokens}
    return jsonl(line("a", model=model, messages=[said]))


async def test_each_model_has_a_limit_of_its_own(client: AsyncOpenAI, account: Account) -> None:
    account.configure(max_enqueued_tokens=10, max_enqueued_tokens_of=LIMITS, hold=["in_progress"])
    for model, limit in {"small": "5", "any": "10", "gpt-4o": "2,000,000"}.items():
        fits = await submit(client, content(model, LIMITS.get(model, 10)))
        await account.reached(fits.id, "in_progress")
        full = await account.reached((await submit(client, content(model))).id)
        assert full.errors is not None
        assert [(each.code, each.message) for each in full.errors.data] == [
            ("token_limit_exceeded", OPENAI_SAYS.format(model=model, limit=limit))
        ]
        assert full.status == "failed"


@pytest.mark.parametrize("status", [400, 429])
async def test_a_create_finds_a_queue_full(
    client: AsyncOpenAI, account: Account, status: Literal[400, 429]
) -> None:
    account.configure(max_enqueued_tokens_of=LIMITS, fail_fast=True, fail_fast_status=status)
    account.configure(hold=["validating"])
    first = await submit(client, content("small"))
    with pytest.raises(openai.APIStatusError) as full:
        await submit(client, content("small"))
    assert (full.value.status_code, full.value.code) == (status, "token_limit_exceeded")
    assert OPENAI_SAYS.format(model="small", limit="5") in full.value.message
    await submit(client, content("another", 500))
    account.configure(hold=[])
    await account.reached(first.id)
    await submit(client, content("small"))


async def test_a_create_of_an_unknown_file_fails_later_still(client: AsyncOpenAI, account: Account) -> None:
    account.configure(max_enqueued_tokens=1, fail_fast=True)
    batch = await client.batches.create(
        input_file_id="file-a", endpoint="/v1/chat/completions", completion_window="24h"
    )
    assert (await account.reached(batch.id)).status == "failed"


@pytest.mark.parametrize("fail_fast", [True, False])
async def test_each_deployment_of_azure_has_a_limit_of_its_own(
    address: str, account: Account, fail_fast: bool
) -> None:
    account.configure(flavour="azure", pending_seconds=0.0, max_enqueued_tokens_of={"small": 30_000})
    account.configure(fail_fast=fail_fast, fail_fast_status=429, hold=["in_progress"])
    says = AZURE_SAYS.format(model="small", limit="30K")
    async with azure_client(address, "v1") as client:
        first = await azure.submit(client, account, content("small", 29_999))
        await account.reached(first.id, "in_progress")
        await azure.submit(client, account, content("another", 40_000))
        if fail_fast:
            with pytest.raises(openai.RateLimitError) as full:
                await azure.submit(client, account, content("small"))
            assert (full.value.code, says in full.value.message) == ("token_limit_exceeded", True)
        else:
            failed = await account.reached((await azure.submit(client, account, content("small"))).id)
            assert failed.errors is not None
            assert [(each.code, each.message) for each in failed.errors.data] == [
                ("token_limit_exceeded", says)
            ]
        account.configure(hold=[])
        await account.reached(first.id)
        again = await azure.submit(client, account, content("small"))
        assert (await account.reached(again.id)).status == "completed"
