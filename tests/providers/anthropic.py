"""An adapter for a simulated account of Anthropic's, and what is submitted to it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import msgspec

from litebatch_asgi.dialects import surrogate
from litebatch_asgi.models import Deployment, Settings
from litebatch_asgi.models.provider import TAG_INSTALLATION, TAG_JOB
from litebatch_asgi.provider import BatchSubmission
from litebatch_asgi.providers.anthropic import AnthropicAdapter

KEY = "sk-ant-test-0123456789"


@asynccontextmanager
async def adapter_at(
    address: str, *, seconds: float = 5.0, page_size: int = 100, **changes: Any
) -> AsyncGenerator[AnthropicAdapter]:
    """An adapter, closed in the end; `seconds` is the provider's time-out."""
    filled: dict[str, Any] = {
        "model_name": "virtual",
        "model": "anthropic/claude-haiku-4-5",
        "api_key": KEY,
        **changes,
    }
    deployment = Deployment(api_base=address, **filled)
    settings = Settings(provider_timeout_seconds=seconds)
    async with aclosing(AnthropicAdapter(deployment, settings)) as adapter:
        adapter.page_size = page_size
        yield adapter


def line(number: int, text: str = "hello", **params: Any) -> bytes:
    """An encoded line."""
    filled = {"model": "claude-haiku-4-5", "max_tokens": 5, "messages": [{"role": "user", "content": text}]}
    return msgspec.json.encode({"custom_id": surrogate(number), "params": filled | params}) + b"\n"


def tag(job: str = "job-1") -> dict[str, str]:
    return {TAG_JOB: job, TAG_INSTALLATION: "inst"}


async def blocks_of(*blocks: bytes) -> AsyncIterator[bytes]:
    for block in blocks:
        yield block


def submission_of(*lines: bytes, job: str = "job-1", **changes: Any) -> BatchSubmission:
    filled: dict[str, Any] = {
        "input_file_id": "file-lb1-inst.jsonl",
        "endpoint": "/v1/chat/completions",
        "completion_window": "24h",
        "metadata": tag(job),
        "timeout_seconds": 10.0,
        "model": "claude-haiku-4-5",
        "requests": len(lines),
        "size": sum(map(len, lines)),
        "content": lambda: blocks_of(*lines),
        **changes,
    }
    return BatchSubmission(**filled)
