"""The adapter for Groq."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime

import msgspec
import pytest

from litebatch_asgi.errors import ConfigError
from litebatch_asgi.models import Deployment, Settings
from litebatch_asgi.providers.groq import GroqAdapter
from litebatch_asgi.providers.groq.adapter import GROQ_BASE

from .wire import BATCH, FILE, KEY, answer, field_names, raw_server, submission_of, upload_of

LONG_AGO = datetime(2001, 1, 1, tzinfo=UTC)


@asynccontextmanager
async def groq_for(base: str | None, key: str | None = KEY) -> AsyncGenerator[GroqAdapter]:
    deployment = Deployment(
        model_name="virtual", model="groq/llama-3.1-8b-instant", api_base=base, api_key=key
    )
    async with aclosing(GroqAdapter(deployment, Settings())) as adapter:
        yield adapter


async def test_the_address_is_known_and_the_key_is_not() -> None:
    assert GROQ_BASE == "https://api.groq.com/openai/v1"
    async with groq_for(None):
        pass
    with pytest.raises(ConfigError, match="GROQ_API_KEY"):
        async with groq_for(None, key=None):
            pass


async def test_it_says_what_it_takes() -> None:
    async with groq_for(None) as adapter:
        assert adapter.dialect("llama-3.1-8b-instant") is None
        assert adapter.purposes == {"batch"}
        assert (adapter.max_requests, adapter.max_bytes) == (50_000, 100_000_000)


async def test_a_file_is_sent_without_an_end() -> None:
    async with raw_server(answer(FILE)) as server, groq_for(server.base_url) as adapter:
        await adapter.upload_file(upload_of(b"{}\n", expires=86_400))
    [request] = server.received
    assert field_names(request) == ["purpose", "file"]
    assert request.headers["authorization"] == f"Bearer {KEY}"


async def test_a_batch_has_the_window_that_is_asked_for() -> None:
    submission = msgspec.structs.replace(submission_of(), completion_window="7d")
    async with raw_server(answer(BATCH)) as server, groq_for(server.base_url) as adapter:
        await adapter.create_batch(submission)
    [request] = server.received
    assert request.target == "/v1/batches"
    assert msgspec.json.decode(request.body)["completion_window"] == "7d"


async def test_lists_come_whole() -> None:
    files, batches = {"object": "list", "data": [FILE]}, {"object": "list", "data": [BATCH]}
    async with (
        raw_server(answer(files), answer(batches)) as server,
        groq_for(server.base_url) as adapter,
    ):
        assert [each.id async for each in adapter.list_files(since=LONG_AGO)] == ["file-1"]
        assert [each.id async for each in adapter.list_batches(since=LONG_AGO)] == ["batch_1"]
    assert [request.target for request in server.received] == ["/v1/files", "/v1/batches"]
