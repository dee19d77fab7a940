"""The stock clients of an Azure account, and its journeys."""

from __future__ import annotations

from typing import Any, Literal

from openai import AsyncAzureOpenAI, AsyncOpenAI
from openai.types import Batch, FileObject

from litebatch_asgi.simulator import Account

from .journeys import CHAT, plain_http, upload

Paths = Literal["classic", "v1"]
VERSION = "2024-10-21"


def azure_client(address: str, paths: Paths, account: str = "east", **options: Any) -> AsyncOpenAI:
    """The stock client of one account, which does not retry."""
    common: dict[str, Any] = {
        "api_key": f"key-{account}",
        "max_retries": 0,
        "http_client": plain_http(),
        **options,
    }
    if paths == "v1":
        return AsyncOpenAI(base_url=f"{address}/{account}/openai/v1/", **common)
    return AsyncAzureOpenAI(azure_endpoint=f"{address}/{account}", api_version=VERSION, **common)


async def uploaded(client: AsyncOpenAI, account: Account, content: bytes) -> FileObject:
    """Upload `content` and wait until it is `processed`."""
    file = await upload(client, content)
    await account.file_reached(file.id, "processed")
    return await client.files.retrieve(file.id)


async def submit(
    client: AsyncOpenAI, account: Account, content: bytes, *, endpoint: Any = CHAT, **more: Any
) -> Batch:
    """Upload `content`, wait for the file and create a batch of it."""
    file = await uploaded(client, account, content)
    return await client.batches.create(
        input_file_id=file.id, endpoint=endpoint, completion_window="24h", **more
    )


async def finished(client: AsyncOpenAI, account: Account, content: bytes, **more: Any) -> Batch:
    """`submit`, and wait for the end of the batch."""
    batch = await submit(client, account, content, **more)
    await account.reached(batch.id)
    return await client.batches.retrieve(batch.id)
