"""Which deployments can be sent single requests, and where to; and what they are to whoever places jobs."""

from __future__ import annotations

from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

import pytest

from litebatch_asgi.errors import ConfigError, DeploymentGone, ProviderNotFound
from litebatch_asgi.models import BatchStatus, Deployment, Lane, ProviderBatch, ProviderFileStatus, Settings
from litebatch_asgi.provider import AdapterFactory, LiveAnswer, LiveRequest, LiveServer, ProviderAdapter
from litebatch_asgi.providers.live import LiveAdapter
from litebatch_asgi.providers.live.servers import live_server

from .test_live import CHAT
from .wire import Received, answer, raw_server, submission_of, upload_of

LINE = "/v1/chat/completions"


def live(model: str, **fields: Any) -> Deployment:
    return Deployment(model_name="virtual", model=model, lane=Lane.LIVE, **fields)


async def sent(server: LiveServer, path: str, model: str) -> LiveAnswer:
    request = LiveRequest(path=path, body=b"{}", model=model, timeout_seconds=5.0, most_bytes=1000)
    return await server.send(request)


async def received_by(deployment: str, path: str = LINE, model: str = "m", **fields: Any) -> Received:
    """What a server gets of a line; `{root}` in a field is its address."""
    async with raw_server(answer(CHAT)) as wire:
        placed = {
            name: value.format(root=wire.root) if isinstance(value, str) else value
            for name, value in fields.items()
        }
        async with aclosing(live_server(live(deployment, **placed), Settings())) as server:
            await sent(server, path, model)
        [received] = wire.received
        return received


@pytest.mark.parametrize(
    ("model", "base", "target"),
    [
        ("openai/gpt", "{root}/v1", "/v1/chat/completions"),
        ("openai/gpt", "{root}/v1/", "/v1/chat/completions"),
        ("openai/gpt", "{root}/proxy/openai", "/proxy/openai/chat/completions"),
        ("gpt", "{root}", "/chat/completions"),
        ("hosted_vllm/llama", "{root}/v1", "/v1/chat/completions"),
        ("ollama/llama", "{root}", "/v1/chat/completions"),
        ("ollama/llama", "{root}/v1", "/v1/chat/completions"),
        ("ollama_chat/llama", "{root}/api", "/v1/chat/completions"),
        ("ollama_chat/llama", "{root}/box/", "/box/v1/chat/completions"),
        ("groq/llama", "{root}/openai/v1", "/openai/v1/chat/completions"),
        ("mistral/small", "{root}/v1", "/v1/chat/completions"),
        ("azure/gpt", "{root}/openai/v1", "/openai/v1/chat/completions"),
        ("azure/gpt", "{root}", "/openai/deployments/m/chat/completions?api-version=2024-10-21"),
    ],
)
async def test_where_a_line_is_sent_to(model: str, base: str, target: str) -> None:
    assert (await received_by(model, api_base=base, api_key="k")).target == target


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/v1/embeddings", "/v1/embeddings"),
        ("/v1/score", "/v1/score"),
        ("/v1/rerank", "/v1/rerank"),
        ("/chat/completions", "/v1/chat/completions"),
        ("/v1/odd path?x=1#y", "/v1/odd%20path%3Fx%3D1%23y"),
    ],
)
async def test_the_url_of_a_line_names_the_call(path: str, target: str) -> None:
    assert (await received_by("hosted_vllm/m", path, api_base="{root}/v1")).target == target


async def test_azures_classic_paths_have_the_model_of_each_line() -> None:
    async with raw_server(*[answer(CHAT)] * 3) as wire:
        deployment = live("azure/*", api_base=wire.root, api_key="k", api_version="2025-01-01-preview")
        async with aclosing(live_server(deployment, Settings())) as server:
            for model in ("gpt", "o/d d", "gpt"):
                await sent(server, LINE, model)
    places = [received.target.partition("?")[0] for received in wire.received]
    assert places == [
        f"/openai/deployments/{model}/chat/completions" for model in ("gpt", "o%2Fd%20d", "gpt")
    ]
    assert {received.target.partition("?")[2] for received in wire.received} == {
        "api-version=2025-01-01-preview"
    }


@pytest.mark.parametrize(
    ("model", "fields", "headers"),
    [
        (
            "openai/m",
            {"api_key": "sk", "organization": "org"},
            {"authorization": "Bearer sk", "openai-organization": "org"},
        ),
        ("hosted_vllm/m", {}, {"authorization": None}),
        ("ollama/m", {"api_key": "sk"}, {"authorization": "Bearer sk"}),
        ("groq/m", {"api_key": "sk"}, {"authorization": "Bearer sk"}),
        ("mistral/m", {"api_key": "sk"}, {"authorization": "Bearer sk"}),
        ("azure/m", {"api_key": "sk"}, {"api-key": "sk", "authorization": None}),
        ("azure/m", {"azure_ad_token": "t"}, {"authorization": "Bearer t"}),
        (
            "hosted_vllm/m",
            {"extra_headers": {"X-Tenant": "a", "Authorization": "Basic b", "user-agent": "me"}},
            {"x-tenant": "a", "authorization": "Basic b", "user-agent": "me"},
        ),
    ],
)
async def test_what_proves_that_a_request_is_ours(
    model: str, fields: dict[str, Any], headers: dict[str, str | None]
) -> None:
    received = await received_by(model, api_base="{root}/v1", **fields)
    assert {name: received.headers.get(name) for name in headers} == headers


def test_ollama_is_on_this_machine_unless_told_otherwise() -> None:
    assert live_server(live("ollama/llama"), Settings()) is not None


@pytest.mark.parametrize("model", ["vertex_ai/gemini-2.5-flash", "anthropic/claude-haiku-4-5"])
def test_who_cannot_be_asked_so(model: str) -> None:
    with pytest.raises(ConfigError, match=f"lane: live is not possible for {model}; it is for azure, groq"):
        live_server(live(model, api_key="k"), Settings())


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        ("hosted_vllm/m", {}),
        ("openai/m", {}),
        ("groq/m", {}),
        ("azure/m", {"api_base": "http://a"}),
        ("ollama/m", {"api_base": "box:11434"}),
        ("hosted_vllm/m", {"api_base": "http://a/v1", "api_key": "k\n"}),
    ],
)
def test_what_is_missing_or_cannot_be_sent_is_told_before(model: str, fields: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="virtual"):
        live_server(live(model, **fields), Settings())


def adapter() -> ProviderAdapter:
    return LiveAdapter(live("openai/m", api_key="k"), Settings())


async def test_files_are_ready_and_nowhere() -> None:
    placed = adapter()
    assert not placed.keeps_files
    file = await placed.upload_file(upload_of(b"abc"))
    assert (file.id, file.bytes, file.status) == ("file-lb1-inst.jsonl", 3, ProviderFileStatus.READY)
    assert (await placed.retrieve_file(file.id)).id == file.id
    assert [each async for each in placed.list_files(since=datetime.now(UTC))] == []
    await placed.delete_file(file.id)
    with pytest.raises(DeploymentGone, match="lane: native"):
        async with placed.stream_file(file.id):
            pass


@pytest.mark.parametrize("native", [None, LiveAdapter])
async def test_what_a_provider_keeps_is_not_said_to_be_gone(native: AdapterFactory | None) -> None:
    """Where nobody can speak to it natively, as with a model of another provider in the same place."""
    placed = LiveAdapter(live("ollama/m"), Settings(), native=native)
    with pytest.raises(DeploymentGone, match="lane: native"):
        await placed.delete_file("file-abc")
    await placed.delete_file("file-lb1-inst.jsonl")
    await placed.aclose()


async def test_there_are_no_batches() -> None:
    placed = adapter()
    assert [each async for each in placed.list_batches(since=datetime.now(UTC))] == []
    for call in (placed.create_batch(submission_of()), placed.retrieve_batch("b"), placed.cancel_batch("b")):
        with pytest.raises(ProviderNotFound):
            await call
    batch = ProviderBatch(id="b", status=BatchStatus.COMPLETED, created_at=None)
    assert await placed.is_tagged(batch, {}) is False
    await placed.aclose()


def test_what_is_known_of_them() -> None:
    placed = adapter()
    assert placed.dialect("m") is None
    assert (placed.tells_progress, placed.tells_tags, placed.ends_at_expiry) == (True, True, False)
    assert (placed.max_requests, placed.max_bytes, placed.min_poll_seconds) == (None, None, 2.0)


def test_a_server_without_batches_cannot_be_native() -> None:
    deployment = Deployment(model_name="m", model="ollama/m", lane=Lane.NATIVE)
    with pytest.raises(ConfigError, match="lane: native is not possible for ollama/m"):
        LiveAdapter(deployment, Settings())
