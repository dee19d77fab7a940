"""The stock client of an account at Mistral, and its journeys."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from mistralai.client import Mistral
from mistralai.client.models import BatchJob

from litebatch_asgi.simulator import Account

CHAT = "/v1/chat/completions"
MODEL = "mistral-small-latest"
JSON = dict[str, Any]


@asynccontextmanager
async def mistral_client(address: str, account: str = "east", key: str = "key-1") -> AsyncGenerator[Mistral]:
    """A client without TLS, which does not retry."""
    async with httpx2.AsyncClient(verify=False) as http:
        given: Any = http
        yield Mistral(api_key=key, server_url=f"{address}/{account}", async_client=given)


def line(custom_id: str | None, simulate: object = None, **body: Any) -> bytes:
    """One request, with a newline."""
    told: JSON = {"messages": [{"role": "user", "content": f"hello {custom_id}"}], **body}
    if simulate is not None:
        told["metadata"] = {"simulate": simulate}
    return json.dumps({"custom_id": custom_id, "body": told}).encode() + b"\n"


async def uploaded(client: Mistral, content: bytes) -> str:
    """The id of a file with this content."""
    file = {"file_name": "input.jsonl", "content": content}
    made = await client.files.upload_async(file=file, purpose="batch")  # type: ignore[arg-type]
    return made.id


async def submitted(client: Mistral, content: bytes, endpoint: Any = CHAT, **more: Any) -> BatchJob:
    """A job of a file with this content."""
    file_id = await uploaded(client, content)
    more.setdefault("model", MODEL)
    return await client.batch.jobs.create_async(input_files=[file_id], endpoint=endpoint, **more)


async def finished(client: Mistral, account: Account, content: bytes, **more: Any) -> BatchJob:
    """The same, when it has ended."""
    job = await submitted(client, content, **more)
    await account.reached(job.id)
    return await client.batch.jobs.get_async(job_id=job.id)


async def rows(client: Mistral, file_id: Any) -> list[JSON]:
    """The rows of a file of results."""
    response = await client.files.download_async(file_id=str(file_id))
    return [json.loads(row) for row in (await response.aread()).splitlines()]
