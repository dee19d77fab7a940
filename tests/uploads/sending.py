"""Uploads in parts, as clients send them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from openai import AsyncOpenAI
from openai.types import Upload

from tests.harness import lines

CONTENT = lines(30)


def pieces(content: bytes, size: int = 1000) -> list[bytes]:
    """The content in pieces, the last one shorter."""
    return [content[start : start + size] for start in range(0, len(content), size)]


async def begin(client: AsyncOpenAI, content: bytes = CONTENT, **options: Any) -> Upload:
    """`POST /uploads` for a batch input."""
    asked: dict[str, Any] = {
        "filename": "in.jsonl",
        "purpose": "batch",
        "bytes": len(content),
        "mime_type": "application/jsonl",
    }
    return await client.uploads.create(**(asked | options))


async def send(client: AsyncOpenAI, upload_id: str, parts: Sequence[bytes]) -> list[str]:
    """`POST /uploads/{id}/parts` for each, one after the other; their ids."""
    return [(await client.uploads.parts.create(upload_id, data=part)).id for part in parts]
