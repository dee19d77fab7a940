"""Azure deployments that prove themselves by an application in Entra ID."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

import anyio
import pytest
from blockbuster import blockbuster_ctx

from litebatch_asgi.errors import ConfigError, DeploymentRefused, ServerAway
from litebatch_asgi.models import Deployment, Lane, Settings
from litebatch_asgi.provider import LiveRequest
from litebatch_asgi.providers.azure import AzureAdapter
from litebatch_asgi.providers.live.servers import live_server

from .azure import BATCH, KEY, azure_refusal
from .entra import CLIENT, SECRET, TENANT, Entra, entra_id
from .wire import answer, raw_server

pytestmark = pytest.mark.filterwarnings("ignore:.*:DeprecationWarning:msal")


@pytest.fixture
async def entra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Entra]:
    async with entra_id(tmp_path) as running:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(running.certificate))
        monkeypatch.setenv("NO_PROXY", "localhost")
        yield running


def adapter(base: str, authority: str | None = None, **changes: str | None) -> AzureAdapter:
    ids: dict[str, str | None] = {"tenant_id": TENANT, "client_id": CLIENT, "client_secret": SECRET}
    deployment = Deployment(
        model_name="virtual",
        model="azure/gpt-4o",
        api_base=base,
        azure_authority=authority,
        **(ids | changes),  # type: ignore[arg-type]
    )
    return AzureAdapter(deployment, Settings(provider_timeout_seconds=5))


async def test_a_token_is_fetched_once_off_the_event_loop_and_sent_with_each_request(entra: Entra) -> None:
    entra.give("token-one-0123456789")
    async with (
        raw_server(*[answer(BATCH) for _ in range(5)]) as server,
        aclosing(adapter(server.root, entra.authority)) as azure,
    ):
        with blockbuster_ctx(["litebatch_asgi", "azure", "msal", "requests"]):
            await azure.retrieve_batch("batch_1")
            async with anyio.create_task_group() as tasks:
                for _ in range(4):
                    tasks.start_soon(azure.retrieve_batch, "batch_1")
    sent = [request.headers["authorization"] for request in server.received]
    assert sent == ["Bearer token-one-0123456789"] * 5
    assert not any("api-key" in request.headers for request in server.received)
    [form] = entra.asked
    assert (form["client_id"], form["client_secret"]) == ([CLIENT], [SECRET])
    assert "https://cognitiveservices.azure.com/.default" in form["scope"][0]


async def test_a_token_is_renewed_before_it_ends(entra: Entra) -> None:
    entra.give("token-one", seconds=200)
    entra.give("token-two", seconds=3600)
    scope = "https://cognitiveservices.azure.us/.default"
    async with (
        raw_server(answer(BATCH), answer(BATCH), answer(BATCH)) as server,
        aclosing(adapter(server.root, entra.authority, azure_scope=scope)) as azure,
    ):
        for _ in range(3):
            await azure.retrieve_batch("batch_1")
    sent = [request.headers["authorization"] for request in server.received]
    assert sent == ["Bearer token-one", "Bearer token-two", "Bearer token-two"]
    assert all(scope in form["scope"][0] for form in entra.asked)


async def test_a_token_that_cannot_be_renewed_is_used_as_long_as_it_is_good(entra: Entra) -> None:
    entra.give("token-one", seconds=200)
    entra.refuse("AADSTS90033: A transient error has occurred.")
    async with (
        raw_server(answer(BATCH), answer(BATCH)) as server,
        aclosing(adapter(server.root, entra.authority)) as azure,
    ):
        await azure.retrieve_batch("batch_1")
        await azure.retrieve_batch("batch_1")
    assert [request.headers["authorization"] for request in server.received] == ["Bearer token-one"] * 2
    assert len(entra.asked) == 2


async def test_a_refusal_of_entra_id_is_one_of_the_deployment_and_shows_no_secret(entra: Entra) -> None:
    entra.refuse(f"AADSTS7000215: Invalid client secret provided: {SECRET}.")
    async with raw_server() as server, aclosing(adapter(server.root, entra.authority)) as azure:
        with pytest.raises(DeploymentRefused) as caught:
            await azure.retrieve_batch("batch_1")
    assert caught.value.status == 401
    assert caught.value.message.startswith("Entra ID gives no token: ")
    assert "AADSTS7000215: Invalid client secret provided: [hidden]." in caught.value.message
    assert server.received == []


async def test_an_entra_id_that_is_not_there_refuses_as_well() -> None:
    async with raw_server() as server, aclosing(adapter(server.root, "https://localhost:9")) as azure:
        with pytest.raises(DeploymentRefused, match="Entra ID gives no token: "):
            await azure.retrieve_batch("batch_1")


async def test_no_message_shows_the_token(entra: Entra) -> None:
    entra.give("token-one-0123456789")
    refusal = azure_refusal(401, "401", "The token token-one-0123456789 has no rights.")
    async with raw_server(refusal) as server, aclosing(adapter(server.root, entra.authority)) as azure:
        with pytest.raises(DeploymentRefused) as caught:
            await azure.retrieve_batch("batch_1")
    assert caught.value.message == "the provider answered 401: The token [hidden] has no rights."


async def test_a_token_or_a_key_goes_before_ids() -> None:
    async with raw_server(answer(BATCH), answer(BATCH)) as server:
        async with aclosing(adapter(server.root, azure_ad_token="opaque-token", api_key=KEY)) as azure:
            await azure.retrieve_batch("batch_1")
        async with aclosing(adapter(server.root, api_key=KEY)) as azure:
            await azure.retrieve_batch("batch_1")
    first, second = (request.headers for request in server.received)
    assert first["authorization"] == "Bearer opaque-token"
    assert "api-key" not in first
    assert second["api-key"] == KEY
    assert "authorization" not in second


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tenant_id": "a b"}, "the `tenant_id` of .* must be an id or a domain's name"),
        ({"client_secret": None}, "`tenant_id`, `client_id` and `client_secret` of an application"),
        ({"azure_authority": "http://login.example.com"}, "must be a host such as https://login"),
    ],
)
def test_ids_that_cannot_be_used_are_told(changes: dict[str, str | None], message: str) -> None:
    authority = changes.pop("azure_authority", None)
    with pytest.raises(ConfigError, match=message):
        adapter("https://r.openai.azure.com", authority, **changes)


def test_without_azure_identity_the_line_that_installs_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "azure.identity", None)
    with pytest.raises(ConfigError, match=r"needs azure-identity: pip install 'litebatch-asgi\[azure\]'$"):
        adapter("https://r.openai.azure.com")


async def test_a_live_request_without_a_token_was_not_sent(entra: Entra) -> None:
    entra.refuse("AADSTS7000215: Invalid client secret provided.")
    entra.give("token-two-0123456789")
    async with raw_server(answer({})) as server:
        deployment = Deployment(
            model_name="virtual",
            model="azure/gpt-4o",
            api_base=server.root,
            azure_authority=entra.authority,
            lane=Lane.LIVE,
            tenant_id=TENANT,
            client_id=CLIENT,
            client_secret=SECRET,
        )
        request = LiveRequest(
            path="/v1/chat/completions", body=b"{}", model="gpt-4o", timeout_seconds=20.0, most_bytes=100
        )
        async with aclosing(live_server(deployment, Settings(provider_timeout_seconds=5))) as live:
            with pytest.raises(ServerAway, match="gives no token"):
                await live.send(request)
            assert (await live.send(request)).status == 200
    [received] = server.received
    assert received.headers["authorization"] == "Bearer token-two-0123456789"
