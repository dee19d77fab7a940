"""Where an Azure deployment is looked for, and how it is spoken to."""

from __future__ import annotations

import pytest

from litebatch_asgi.errors import ConfigError, DeploymentRefused
from litebatch_asgi.models import Deployment, Settings
from litebatch_asgi.provider import AdapterFactory, ProviderAdapter
from litebatch_asgi.providers.azure import AzureAdapter

from .azure import BATCH, FILE, KEY, azure, azure_for, azure_refusal
from .wire import answer, raw_server, submission_of, upload_of

TOKEN = "eyJ0eXAiOiJKV1QifQ.eyJhdWQiOiJodHRwczovL2NvZ25pdGl2ZSJ9.c2lnbmF0dXJl"
CLASSIC = "?api-version=2024-10-21"


def test_the_adapter_fits_the_seam() -> None:
    factory: AdapterFactory = AzureAdapter
    deployment = Deployment(
        model_name="m", model="azure/m", api_base="https://r.openai.azure.com", api_key=KEY
    )
    adapter: ProviderAdapter = factory(deployment, Settings())
    assert adapter.min_poll_seconds == 60.0
    assert adapter.max_metadata_pairs == 16
    assert (adapter.tells_progress, adapter.ends_at_expiry) == (True, False)
    assert "vision" not in adapter.purposes


@pytest.mark.parametrize("base", [None, ""])
def test_an_address_is_needed(base: str | None) -> None:
    with pytest.raises(ConfigError, match=r"api_base: https://RESOURCE\.openai\.azure\.com"):
        azure(base)


@pytest.mark.parametrize("key", [None, ""])
def test_a_key_is_needed(key: str | None) -> None:
    with pytest.raises(ConfigError, match=r"api_key: os\.environ/AZURE_API_KEY"):
        azure("https://r.openai.azure.com", key=key)


@pytest.mark.parametrize(
    "base",
    [
        "r.openai.azure.com",
        "https://r.openai.azure.com?api-version=2024-10-21",
        "https://r.openai.azure.com/openai/deployments/gpt-4o",
        "https://r.openai.azure.com/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21",
    ],
)
def test_an_address_of_something_else_is_told_what_it_must_look_like(base: str) -> None:
    with pytest.raises(ConfigError, match=r"https://RESOURCE\.openai\.azure\.com"):
        azure(base)


def test_credentials_do_not_belong_in_the_address() -> None:
    with pytest.raises(ConfigError, match="api_key") as caught:
        azure("https://user:secret@r.openai.azure.com")
    assert "secret" not in str(caught.value)


def test_a_key_that_fits_no_header_is_told_without_showing_it() -> None:
    with pytest.raises(ConfigError, match="api-key") as caught:
        azure("https://r.openai.azure.com", key=KEY + "\n")
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("path", "version", "target"),
    [
        ("", None, "/openai/batches/batch_1?api-version=2024-10-21"),
        ("/", None, "/openai/batches/batch_1?api-version=2024-10-21"),
        ("/openai", None, "/openai/batches/batch_1?api-version=2024-10-21"),
        ("/openai/", None, "/openai/batches/batch_1?api-version=2024-10-21"),
        ("", "2025-04-01-preview", "/openai/batches/batch_1?api-version=2025-04-01-preview"),
        ("", "", "/openai/batches/batch_1?api-version=2024-10-21"),
        ("/east", None, "/east/openai/batches/batch_1?api-version=2024-10-21"),
        ("/v1", None, "/v1/openai/batches/batch_1?api-version=2024-10-21"),
        ("/openai/v1", None, "/openai/v1/batches/batch_1"),
        ("/openai/v1/", None, "/openai/v1/batches/batch_1"),
        ("/east/openai/v1/", None, "/east/openai/v1/batches/batch_1"),
        ("/openai/v1", "2024-10-21", "/openai/v1/batches/batch_1"),
        ("/openai/v1", "preview", "/openai/v1/batches/batch_1"),
        ("", "v1", "/openai/v1/batches/batch_1"),
        ("/", "preview", "/openai/v1/batches/batch_1"),
        ("/openai", "latest", "/openai/v1/batches/batch_1"),
    ],
)
async def test_paths_are_classic_unless_told_otherwise(path: str, version: str | None, target: str) -> None:
    """A dated version on a v1 path would be refused."""
    async with raw_server(answer(BATCH)) as server, azure_for(server.root + path, version=version) as adapter:
        await adapter.retrieve_batch("batch_1")
    assert [request.target for request in server.received] == [target]


@pytest.mark.parametrize(
    ("path", "root", "version"), [("", "/openai", CLASSIC), ("/openai/v1", "/openai/v1", "")]
)
async def test_every_call_goes_to_these_paths(path: str, root: str, version: str) -> None:
    answers = [answer(FILE, status=201), answer(FILE), answer(raw=b"{}"), answer(status=204, raw=b"")]
    answers += [answer(BATCH, status=201), answer(BATCH), answer(BATCH)]
    async with raw_server(*answers) as server, azure_for(server.root + path) as adapter:
        await adapter.upload_file(upload_of(b"{}"))
        await adapter.retrieve_file("file-1")
        async with adapter.stream_file("file-1") as stream:
            assert [block async for block in stream.blocks] == [b"{}"]
        await adapter.delete_file("file-1")
        await adapter.create_batch(submission_of())
        await adapter.retrieve_batch("batch_1")
        await adapter.cancel_batch("batch_1")
    assert [(request.method, request.target) for request in server.received] == [
        ("POST", f"{root}/files{version}"),
        ("GET", f"{root}/files/file-1{version}"),
        ("GET", f"{root}/files/file-1/content{version}"),
        ("DELETE", f"{root}/files/file-1{version}"),
        ("POST", f"{root}/batches{version}"),
        ("GET", f"{root}/batches/batch_1{version}"),
        ("POST", f"{root}/batches/batch_1/cancel{version}"),
    ]
    assert all(request.headers["api-key"] == KEY for request in server.received)
    assert not any("authorization" in request.headers for request in server.received)
    assert not any("openai-organization" in request.headers for request in server.received)


@pytest.mark.parametrize("path", ["", "/openai/v1"])
async def test_an_entra_token_goes_out_as_a_bearer_token(path: str) -> None:
    async with raw_server(answer(BATCH)) as server, azure_for(server.root + path, key=TOKEN) as adapter:
        await adapter.retrieve_batch("batch_1")
    [request] = server.received
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert "api-key" not in request.headers


@pytest.mark.parametrize("key", ["eyJ" + KEY, "a.b.c", "eyJa.b"])
async def test_any_other_key_stays_a_key(key: str) -> None:
    async with raw_server(answer(BATCH)) as server, azure_for(server.root, key=key) as adapter:
        await adapter.retrieve_batch("batch_1")
    assert server.received[0].headers["api-key"] == key


async def test_no_message_shows_the_key() -> None:
    async with (
        raw_server(
            azure_refusal(401, "401", f"Access denied due to invalid subscription key {KEY}.")
        ) as server,
        azure_for(server.root) as adapter,
    ):
        with pytest.raises(DeploymentRefused) as caught:
            await adapter.retrieve_batch("batch_1")
    assert caught.value.message == (
        "the provider answered 401: Access denied due to invalid subscription key [hidden]."
    )
