"""Input lines, result rows, and the steps that every journey takes."""

from __future__ import annotations

import json
from typing import Any, Final

import httpx2
from openai import AsyncOpenAI
from openai.types import Batch, FileObject

from litebatch_asgi.simulator import Account

CHAT: Final = "/v1/chat/completions"
JSON = dict[str, Any]


def plain_http(**options: Any) -> httpx2.AsyncClient:
    """An HTTP client without TLS, whose set-up would take longer than most tests."""
    return httpx2.AsyncClient(verify=False, **options)


def stock_client(address: str, account: str = "east", **options: Any) -> AsyncOpenAI:
    """The stock client of one account, which does not retry."""
    return AsyncOpenAI(
        base_url=f"{address}/{account}/v1",
        api_key=f"key-{account}",
        max_retries=0,
        http_client=plain_http(),
        **options,
    )


def line(custom_id: str, *, url: str = CHAT, simulate: object = None, **body: Any) -> JSON:
    """One request, for the model `gpt-4o-mini` unless `body` says otherwise."""
    filled: JSON = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": f"hello {custom_id}"}]}
    if simulate is not None:
        filled["metadata"] = {"simulate": simulate}
    return {"custom_id": custom_id, "method": "POST", "url": url, "body": filled | body}


def jsonl(*lines: JSON) -> bytes:
    return b"".join(json.dumps(each).encode() + b"\n" for each in lines)


def rows(content: bytes) -> list[JSON]:
    return [json.loads(row) for row in content.splitlines()]


def by_id(content: bytes) -> dict[str, JSON]:
    """Rows by `custom_id`, each of which must occur once."""
    found = rows(content)
    named = {row["custom_id"]: row for row in found}
    assert len(named) == len(found)
    return named


async def upload(client: AsyncOpenAI, content: bytes, filename: str = "input.jsonl") -> FileObject:
    return await client.files.create(file=(filename, content), purpose="batch")


async def submit(client: AsyncOpenAI, content: bytes, *, endpoint: Any = CHAT, **more: Any) -> Batch:
    """Upload `content` and create a batch of it."""
    file = await upload(client, content)
    return await client.batches.create(
        input_file_id=file.id, endpoint=endpoint, completion_window="24h", **more
    )


async def finished(client: AsyncOpenAI, account: Account, content: bytes, **more: Any) -> Batch:
    """Submit `content` and wait for the end of the batch."""
    batch = await submit(client, content, **more)
    await account.reached(batch.id)
    return await client.batches.retrieve(batch.id)


def counts(batch: Batch) -> tuple[int, int, int]:
    """Of the lines: all, completed, failed."""
    counted = batch.request_counts
    assert counted is not None
    return counted.total, counted.completed, counted.failed


async def download(client: AsyncOpenAI, file_id: str | None) -> bytes:
    assert file_id is not None
    return (await client.files.content(file_id)).content
