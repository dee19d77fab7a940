"""The stock client of an Anthropic account, and its journeys."""

from __future__ import annotations

import json
from typing import Any

import anthropic
from anthropic import AsyncAnthropic
from anthropic.types.messages import MessageBatch

from litebatch_asgi.simulator import Account

from .journeys import plain_http

JSON = dict[str, Any]


def anthropic_client(address: str, account: str = "east", **options: Any) -> AsyncAnthropic:
    """The stock client of one account, which does not retry."""
    filled: JSON = {"api_key": f"key-{account}", "max_retries": 0, "http_client": plain_http(), **options}
    return AsyncAnthropic(base_url=f"{address}/{account}", **filled)


def request(custom_id: str, text: str = "hello", **params: Any) -> Any:
    """One request, for the model `claude-haiku-4-5` unless `params` says otherwise."""
    filled = {"model": "claude-haiku-4-5", "max_tokens": 50, "messages": [{"role": "user", "content": text}]}
    return {"custom_id": custom_id, "params": filled | params}


async def finished(client: AsyncAnthropic, account: Account, *requests: Any) -> MessageBatch:
    """Create a batch and wait for its end."""
    batch = await client.messages.batches.create(requests=requests)
    await account.reached(batch.id)
    return await client.messages.batches.retrieve(batch.id)


async def results(client: AsyncAnthropic, batch_id: str) -> dict[str, JSON]:
    """The results of a batch by `custom_id`, each of which must occur once."""
    rows = [row.to_dict() async for row in await client.messages.batches.results(batch_id)]
    named = {str(row["custom_id"]): row["result"] for row in rows}
    assert len(named) == len(rows)
    plain: dict[str, JSON] = json.loads(json.dumps(named, default=str))
    return plain


def counts(batch: MessageBatch) -> tuple[int, ...]:
    """Processing, succeeded, errored, canceled, expired."""
    told = batch.request_counts
    return told.processing, told.succeeded, told.errored, told.canceled, told.expired


def said(error: anthropic.APIStatusError) -> tuple[int, str, str]:
    """Status, type and message."""
    body: Any = error.body
    assert body["type"] == "error"
    assert body["request_id"].startswith("req_")
    return error.status_code, body["error"]["type"], body["error"]["message"]
