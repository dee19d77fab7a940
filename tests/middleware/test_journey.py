"""The stock client in front of a proxy that has files, batches and chats of its own under `/v1`."""

from __future__ import annotations

import io
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

import pytest
from msgspec.structs import replace
from openai import APIStatusError, AuthenticationError, NotFoundError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from litebatch_asgi.app import LiteBatch
from litebatch_asgi.middleware import LiteBatchMiddleware
from litebatch_asgi.server.listen import address_of, listen, serving
from litebatch_asgi.simulator import Simulator
from tests.harness import MODEL, QUICK, SWIFT, Gateway, by_key, deployments, ids_of, lines
from tests.http.forms import CONTENT_TYPE, field, file, form

OWN_FILE = {
    "id": "file-own",
    "object": "file",
    "bytes": 3,
    "created_at": 1,
    "filename": "own.pdf",
    "purpose": "assistants",
    "status": "processed",
}


async def create_own(request: Request) -> JSONResponse:
    """`POST /v1/files` of the proxy itself."""
    async with request.form() as sent:
        upload = sent["file"]
        assert not isinstance(upload, str)
        return JSONResponse(OWN_FILE | {"bytes": len(await upload.read()), "purpose": sent["purpose"]})


async def list_own(request: Request) -> JSONResponse:
    """`GET /v1/files` of the proxy itself."""
    assert "managed" not in request.query_params
    return JSONResponse({"object": "list", "data": [OWN_FILE], "has_more": False})


async def own(request: Request) -> JSONResponse:
    """`GET /v1/files/{id}` of the proxy itself."""
    return JSONResponse(OWN_FILE | {"id": request.path_params["id"]})


async def own_batch(request: Request) -> JSONResponse:
    """`POST /v1/batches` of the proxy itself."""
    return JSONResponse({"error": {"message": (await request.json())["input_file_id"]}}, 418)


@pytest.fixture
async def proxy(tmp_path: Path) -> AsyncGenerator[Gateway]:
    """The proxy with the middleware, over two simulated deployments."""
    simulator = Simulator(settings=SWIFT)
    async with simulator.running() as provider:
        running = LiteBatch(
            deployments=deployments(provider),
            storage=f"sqlite:///{tmp_path}/litebatch.db",
            authenticator=by_key,
            settings=replace(QUICK, spool_dir=str(tmp_path)),
        )
        app = Starlette(
            routes=[
                Route("/v1/files", create_own, methods=["POST"]),
                Route("/v1/files", list_own),
                Route("/v1/files/{id}", own),
                Route("/v1/batches", own_batch, methods=["POST"]),
            ]
        )
        app.add_middleware(LiteBatchMiddleware, litebatch=running, prefix="/v1")
        listener = listen("127.0.0.1", 0)
        gateway = Gateway(simulator, address_of(listener))
        async with running.lifespan(), serving(app, listener), aclosing(gateway):
            yield gateway


@pytest.mark.parametrize("names", [None, MODEL])
async def test_a_batch_from_the_upload_to_the_results(proxy: Gateway, names: str | None) -> None:
    """Named in the form or by the lines alone, which is all a stock client tells."""
    content = lines(20)
    extra = {"target_model_names": names} if names else None
    input_file = await proxy.client().files.create(
        file=("in.jsonl", content), purpose="batch", extra_body=extra
    )
    assert await proxy.content(input_file.id) == content
    batch = await proxy.ended((await proxy.create(input_file.id)).id)
    assert (batch.status, batch.model) == ("completed", MODEL)
    output, _ = await proxy.results(batch)
    assert len(ids_of(output)) == 20
    assert [each.id async for each in proxy.client().batches.list()] == [batch.id]
    assert {each.id async for each in proxy.client().files.list()} == {input_file.id, batch.output_file_id}
    await proxy.client().files.delete(input_file.id)
    with pytest.raises(NotFoundError):
        await proxy.client().files.retrieve(input_file.id)


async def test_a_large_file_that_comes_before_its_purpose(proxy: Gateway) -> None:
    """The order of the Node client: what was kept to find out is what gets managed."""
    content = lines(5000)
    async with proxy.http() as http:
        answer = await http.post(
            "/files",
            content=form(file(content), field("purpose", "batch")),
            headers={"content-type": CONTENT_TYPE},
        )
    assert answer.status_code == 200
    assert await proxy.content(answer.json()["id"]) == content


async def test_the_proxys_own_files_stay_its_own(proxy: Gateway) -> None:
    client = proxy.client()
    own = await client.files.create(file=("a.pdf", io.BytesIO(b"x" * 200_000)), purpose="assistants")
    assert (own.id, own.bytes) == ("file-own", 200_000)
    batch_input = await client.files.create(file=("in.jsonl", lines(model="gpt-4o")), purpose="batch")
    assert (batch_input.id, batch_input.bytes) == ("file-own", len(lines(model="gpt-4o")))
    assert (await client.files.retrieve("file-raw")).id == "file-raw"
    assert [each.id async for each in client.files.list()] == []
    assert [each.id async for each in client.files.list(extra_query={"managed": False})] == ["file-own"]
    with pytest.raises(APIStatusError) as refusal:
        await proxy.create("file-own")
    assert refusal.value.status_code == 418


async def test_another_owners_batch_is_not_there_and_the_proxy_not_asked(proxy: Gateway) -> None:
    input_file = await proxy.upload()
    batch = await proxy.create(input_file.id)
    with pytest.raises(NotFoundError):
        await proxy.client("bob").batches.retrieve(batch.id)
    with pytest.raises(NotFoundError):
        await proxy.create(input_file.id, key="bob")
    async with proxy.http() as http:
        del http.headers["authorization"]
        assert (await http.get(f"/batches/{batch.id}")).status_code == 401
        assert (await http.get("/files")).json()["data"] == [OWN_FILE]
    with pytest.raises(AuthenticationError):
        await proxy.client(":").batches.cancel(batch.id)
