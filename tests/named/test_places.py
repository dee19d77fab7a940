"""Where a request names a provider, for files and for batches, with every method."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from litebatch_asgi.config import config_from_environment
from tests.harness import ENDPOINT, ids_of, lines
from tests.named.gateways import NamedGateway, both, gateway_of, named

DEPLOYMENT = "my-azure-deployment"
CONTENT = lines(3, model=DEPLOYMENT)
CREATE = {"endpoint": ENDPOINT, "completion_window": "24h"}

PLACES: dict[str, tuple[str, dict[str, Any]]] = {
    "path": ("/azure/v1", {}),
    "path without v1": ("/azure", {}),
    "path below v1": ("/v1/azure", {}),
    "header": ("/v1", {"headers": {"custom-llm-provider": "azure"}}),
    "query": ("/v1", {"params": {"custom_llm_provider": "azure"}}),
    "query, short": ("", {"params": {"provider": "azure"}}),
}
"""what a request begins with, and what goes with it"""


def multipart(content: bytes, **fields: str) -> dict[str, Any]:
    """An upload."""
    return {"files": {"file": ("in.jsonl", content)}, "data": {"purpose": "batch", **fields}}


@asynccontextmanager
async def calling(gateway: NamedGateway, key: str | None = None) -> AsyncGenerator[httpx2.AsyncClient]:
    """A plain client below no path."""
    headers = {"authorization": f"Bearer {key or gateway.caller}"}
    async with httpx2.AsyncClient(base_url=gateway.address, headers=headers, timeout=30) as http:
        yield http


@pytest.mark.parametrize("place", PLACES)
async def test_a_provider_is_named_in_any_place_with_any_method(gateway: NamedGateway, place: str) -> None:
    base, extra = PLACES[place]
    async with calling(gateway) as http:
        uploaded = await http.post(f"{base}/files", **multipart(CONTENT), **extra)
        assert uploaded.status_code == 200, uploaded.text
        file_id = uploaded.json()["id"]
        body = {"input_file_id": file_id, **CREATE}
        created = await http.post(f"{base}/batches", json=body, **extra)
        batch_id = created.json()["id"]
        dry = await http.post(f"{base}/batches/dry_run", json=body, **extra)
        assert (dry.status_code, dry.json()["model"]) == (200, f"azure/{DEPLOYMENT}")
        batch = await gateway.ended(batch_id)
        assert batch.status == "completed"
        assert (await http.get(f"{base}/batches/{batch_id}", **extra)).json()["status"] == "completed"
        assert (await http.get(f"{base}/batches/{batch_id}/events", **extra)).json()["data"]
        for what in ("cancel", "retry"):
            assert (await http.post(f"{base}/batches/{batch_id}/{what}", **extra)).status_code == 409
        assert [each["id"] for each in (await http.get(f"{base}/batches", **extra)).json()["data"]] == [
            batch_id
        ]
        files = (await http.get(f"{base}/files", **extra)).json()["data"]
        assert {each["id"] for each in files} == {file_id, batch.output_file_id}
        assert (await http.get(f"{base}/files/{file_id}", **extra)).json()["bytes"] == len(CONTENT)
        assert (await http.get(f"{base}/files/{file_id}/content", **extra)).content == CONTENT
        output = await http.get(f"{base}/files/{batch.output_file_id}/content", **extra)
        assert ids_of(output.content) == ["request-0", "request-1", "request-2"]
        assert (await http.head(f"{base}/files/{file_id}/content", **extra)).status_code == 200
        assert (await http.delete(f"{base}/files/{file_id}", **extra)).json()["deleted"]
    assert gateway.providers.uploads() == {"openai": 0, "azure": 1}
    (sent,) = gateway.providers.azure.journal.select("upload_file")
    assert (sent.bytes, sent.api_key) == (len(CONTENT), "sk-hidden-azure")


async def test_the_stock_client_names_it_in_body_and_header(gateway: NamedGateway) -> None:
    file = await gateway.upload(CONTENT, **named("azure"))
    batch = await gateway.create(file.id, **named("azure"), extra_headers={"custom-llm-provider": "azure"})
    done = await gateway.ended(batch.id)
    assert (done.status, done.model) == ("completed", f"azure/{DEPLOYMENT}")
    assert await gateway.content(file.id) == CONTENT
    assert gateway.providers.uploads() == {"openai": 0, "azure": 1}


async def test_openai_is_the_provider_where_none_is_named(gateway: NamedGateway) -> None:
    plain = await gateway.upload(lines(2, model="gpt-4o-mini"))
    explicit = await gateway.upload(lines(1, model="gpt-4o-mini"), **named("openai"))
    for file in (plain, explicit):
        batch = await gateway.ended((await gateway.create(file.id, **named("openai"))).id)
        assert (batch.status, batch.model) == ("completed", "gpt-4o-mini")
    assert gateway.providers.uploads() == {"openai": 2, "azure": 0}


@pytest.mark.parametrize("written", ["azure/my-azure-deployment", "my-azure-deployment"])
@pytest.mark.parametrize("is_named", [True, False])
async def test_lines_may_have_the_provider_before_the_model(
    gateway: NamedGateway, written: str, is_named: bool
) -> None:
    """It is the same model then, the file is given back as it came, and it goes on without the provider."""
    if not is_named and "/" not in written:
        return
    content = lines(2, model=written)
    file = await gateway.upload(content, **(named("azure") if is_named else {}))
    batch = await gateway.ended((await gateway.create(file.id)).id)
    assert (batch.status, batch.model) == ("completed", f"azure/{DEPLOYMENT}")
    assert await gateway.content(file.id) == content
    (sent,) = gateway.providers.azure.journal.select("upload_file")
    assert sent.bytes == len(lines(2, model=DEPLOYMENT))


async def test_a_file_stays_with_its_provider(gateway: NamedGateway) -> None:
    """Whatever is named later: nothing of it goes anywhere else."""
    file = await gateway.upload(CONTENT, **named("azure"))
    batch = await gateway.create(file.id)
    with pytest.raises(openai.BadRequestError) as caught:
        await gateway.create(file.id, **named("openai"))
    assert caught.value.body == {
        "message": f"'azure/{DEPLOYMENT}' is a model of azure, not of 'openai'. Leave "
        "custom_llm_provider out, or name the one that it is of.",
        "type": "invalid_request_error",
        "param": "custom_llm_provider",
        "code": "provider_mismatch",
    }
    await gateway.ended(batch.id)
    async with calling(gateway) as http:
        for method, path in (
            ("GET", f"/openai/v1/files/{file.id}"),
            ("GET", f"/openai/v1/files/{file.id}/content"),
            ("DELETE", f"/openai/v1/files/{file.id}"),
            ("GET", f"/openai/v1/batches/{batch.id}"),
            ("POST", f"/openai/v1/batches/{batch.id}/cancel"),
            ("GET", f"/openai/v1/batches/{batch.id}/events"),
        ):
            answer = await http.request(method, path)
            assert (answer.status_code, answer.json()["error"]["code"]) == (400, "provider_mismatch"), path
    assert (await gateway.client().files.retrieve(file.id)).id == file.id
    assert gateway.providers.uploads() == {"openai": 0, "azure": 1}


async def test_lines_of_another_provider_are_refused(gateway: NamedGateway) -> None:
    with pytest.raises(openai.BadRequestError, match="is not one of the provider 'openai'") as caught:
        await gateway.upload(lines(1, model=f"azure/{DEPLOYMENT}"), **named("openai"))
    assert caught.value.code == "mismatched_model"
    assert gateway.providers.uploads() == {"openai": 0, "azure": 0}


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ({"headers": {"custom-llm-provider": "openai"}}, "'azure' in the path and 'openai' in the header"),
        ({"params": {"provider": "openai"}}, "'azure' in the path and 'openai' in the query"),
    ],
)
async def test_two_providers_are_one_too_many(
    gateway: NamedGateway, place: dict[str, Any], said: str
) -> None:
    async with calling(gateway) as http:
        for answer in (
            await http.post("/azure/v1/files", **multipart(CONTENT), **place),
            await http.get("/azure/v1/files", **place),
            await http.post("/azure/v1/batches", json={"input_file_id": "file-x", **CREATE}, **place),
            await http.get("/azure/v1/batches/batch_x", **place),
        ):
            error = answer.json()["error"]
            assert (answer.status_code, error["param"]) == (400, "custom_llm_provider")
            assert said in error["message"]
        answer = await http.post("/azure/v1/files", **multipart(CONTENT, custom_llm_provider="openai"))
        assert "'azure' in the path and 'openai' in the form" in answer.json()["error"]["message"]
        empty = await http.get("/azure/v1/files", params={"custom_llm_provider": ""})
        assert empty.status_code == 200


async def test_files_of_other_purposes_go_to_the_provider_too(gateway: NamedGateway) -> None:
    client = gateway.client()
    for provider, extra in (("azure", named("azure")), ("openai", {}), ("openai", named("openai"))):
        before = gateway.providers.uploads()[provider]
        file = await client.files.create(file=("a.jsonl", b"{}"), purpose="fine-tune", **extra)
        assert gateway.providers.uploads()[provider] == before + 1
        assert (await client.files.content(file.id)).content == b"{}"
    listed = await client.files.list(extra_query={"custom_llm_provider": "azure"})
    assert len(listed.data) == 1


@pytest.mark.parametrize(
    "path", ["/nobody/v1/files", "/azure/v1/models", "/azure/v2/files", "/azure/azure/files"]
)
async def test_other_paths_stay_unknown(gateway: NamedGateway, path: str) -> None:
    async with calling(gateway) as http:
        answer = await http.get(path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, None)


async def test_a_provider_path_asks_for_a_key(keyed: NamedGateway) -> None:
    async with httpx2.AsyncClient(base_url=keyed.address) as http:
        assert (await http.get("/azure/v1/files")).status_code == 401


async def test_mounted_below_a_path_of_the_host(tmp_path: Path) -> None:
    """Everything below the mount is ours; the host's own routes beside it stay."""
    async with both() as providers:
        app = Starlette()
        config = config_from_environment(providers.environment)
        async with gateway_of(config, tmp_path, providers, app) as gateway:
            app.router.routes.append(Mount("/llm/v1", gateway.litebatch.app))
            async with calling(gateway) as http:
                uploaded = await http.post("/llm/v1/azure/files", **multipart(CONTENT))
                assert uploaded.status_code == 200, uploaded.text
                listed = await http.get("/llm/v1/azure/v1/files")
                assert [each["id"] for each in listed.json()["data"]] == [uploaded.json()["id"]]
                assert (await http.get("/azure/v1/files")).status_code == 404
                assert (await http.get("/llm/v1/openai/files")).json()["data"] == []


async def test_a_key_of_one_provider_is_not_used_for_another(gateway: NamedGateway) -> None:
    """The same upload with another provider is another request."""
    async with calling(gateway) as http:
        key: dict[str, Any] = {"headers": {"idempotency-key": "nightly"}}
        first = await http.post("/azure/v1/files", **multipart(CONTENT), **key)
        again = await http.post("/v1/azure/files", **multipart(CONTENT), **key)
        assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])
        for path in ("/openai/v1/files", "/v1/files"):
            assert (await http.post(path, **multipart(CONTENT), **key)).status_code == 422
        body = {"input_file_id": first.json()["id"], **CREATE}
        other: dict[str, Any] = {"headers": {"idempotency-key": "nightly batch"}}
        batch = await http.post("/azure/v1/batches", json=body, **other)
        same = await http.post("/v1/azure/batches", json=body, **other)
        assert (same.status_code, same.json()["id"]) == (200, batch.json()["id"])
        assert (await http.post("/v1/batches", json=body, **other)).status_code == 422
    assert gateway.providers.uploads() == {"openai": 0, "azure": 1}
