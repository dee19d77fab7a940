"""What a deployment needs before an adapter can be made of it."""

from __future__ import annotations

import pytest

from litebatch_asgi.errors import ConfigError
from litebatch_asgi.models import Deployment, Settings
from litebatch_asgi.provider import AdapterFactory, ProviderAdapter
from litebatch_asgi.providers.openai import OpenAIAdapter

from .wire import BATCH, adapter_for, answer, raw_server


def adapter_of(
    model: str, *, base: str | None = None, key: str | None = "sk-1", organization: str | None = None
) -> OpenAIAdapter:
    return OpenAIAdapter(
        Deployment(model_name="virtual", model=model, api_base=base, api_key=key, organization=organization),
        Settings(),
    )


def test_the_adapter_fits_the_seam() -> None:
    factory: AdapterFactory = OpenAIAdapter
    adapter: ProviderAdapter = factory(Deployment(model_name="m", model="m", api_key="sk-1"), Settings())
    assert adapter.min_poll_seconds == 5.0
    assert adapter.max_metadata_pairs == 16
    assert (adapter.tells_progress, adapter.ends_at_expiry) == (True, True)


@pytest.mark.parametrize("key", [None, ""])
def test_openai_itself_needs_a_key(key: str | None) -> None:
    with pytest.raises(ConfigError, match="OPENAI_API_KEY"):
        adapter_of("gpt-4o-mini", key=key)


def test_another_server_needs_its_address() -> None:
    with pytest.raises(ConfigError, match="api_base: http://localhost:8000/v1"):
        adapter_of("hosted_vllm/llama")


@pytest.mark.parametrize(
    "base",
    [
        "localhost:8000/v1",
        "ftp://host/v1",
        "https://",
        "https://host/v1?key=1",
        "http://host:port/v1",
        "//host",
    ],
)
def test_an_address_must_be_one(base: str) -> None:
    with pytest.raises(ConfigError, match="api_base"):
        adapter_of("openai/gpt", base=base)


def test_credentials_do_not_belong_in_the_address() -> None:
    with pytest.raises(ConfigError, match="api_key") as caught:
        adapter_of("openai/gpt", base="https://user:secret@host/v1")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("key", ["sk-1\n", "sk-\r\nX: y", "sk-ä", "sk-1 "])
def test_a_key_that_fits_no_header_is_told_without_showing_it(key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        adapter_of("openai/gpt", key=key)
    assert "sk-" not in str(caught.value)


def test_an_organization_that_fits_no_header_is_told() -> None:
    with pytest.raises(ConfigError, match="OpenAI-Organization"):
        adapter_of("openai/gpt", organization="org\n")


async def test_a_server_without_a_key_gets_no_credentials() -> None:
    async with raw_server(answer(BATCH)) as server:
        adapter = adapter_of("hosted_vllm/llama", base=server.base_url + "/", key=None)
        await adapter.retrieve_batch("batch_1")
        await adapter.aclose()
    [request] = server.received
    assert request.target == "/v1/batches/batch_1"
    assert "authorization" not in request.headers
    assert "openai-organization" not in request.headers


async def test_any_provider_name_takes_the_adapter() -> None:
    async with raw_server(answer(BATCH)) as server, adapter_for(server.base_url, provider="groq") as adapter:
        assert (await adapter.retrieve_batch("batch_1")).id == "batch_1"
