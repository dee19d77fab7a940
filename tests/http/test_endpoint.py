"""Who comes in, by which paths and methods, and what the others are told."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from fastapi import FastAPI
from openai import AsyncOpenAI, DefaultAsyncHttpxClient, NotFoundError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.routing import Mount
from starlette.testclient import TestClient
from starlette.types import Message, Scope
from starlette.websockets import WebSocketDisconnect

from litebatch_asgi.app import LiteBatch
from litebatch_asgi.auth import Authenticator
from litebatch_asgi.errors import RateLimited, RequestTimeout
from litebatch_asgi.models import Deployment, Principal
from litebatch_asgi.routes.endpoint import small_body
from tests.harness import Gateway, by_key
from tests.http.forms import CONTENT_TYPE
from tests.http.sockets import head, raw_client, served

PATHS = {
    "/files": {"GET", "HEAD", "POST"},
    "/files/file-x": {"GET", "HEAD", "DELETE"},
    "/files/file-x/content": {"GET", "HEAD"},
    "/batches": {"GET", "HEAD", "POST"},
    "/batches/dry_run": {"POST"},
    "/batches/batch_x": {"GET", "HEAD"},
    "/batches/batch_x/cancel": {"POST"},
    "/batches/batch_x/retry": {"POST"},
    "/batches/batch_x/events": {"GET", "HEAD"},
    "/uploads": {"POST"},
    "/uploads/upload_x/parts": {"POST"},
    "/uploads/upload_x/complete": {"POST"},
    "/uploads/upload_x/cancel": {"POST"},
    "/models": {"GET", "HEAD"},
    "/models/model-x": {"GET", "HEAD"},
    "/model_group/info": {"GET", "HEAD"},
    "/spend/batches": {"GET", "HEAD"},
    "/webhook_endpoints": {"GET", "HEAD", "POST"},
    "/webhook_endpoints/we_x": {"GET", "HEAD", "POST", "DELETE"},
    "/webhook_endpoints/we_x/rotate_secret": {"POST"},
    "/webhook_endpoints/we_x/test": {"POST"},
    "/webhook_event_types": {"GET", "HEAD"},
}
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"}
NOWHERE = "http://127.0.0.1:9/v1"


def litebatch(folder: Path, authenticator: Authenticator = by_key) -> LiteBatch:
    """A LiteBatch whose one deployment is never called."""
    deployment = Deployment(model_name="m", model="openai/x", api_base=NOWHERE, api_key="sk-x", mode="batch")
    return LiteBatch(
        deployments=[deployment], storage=f"sqlite:///{folder}/litebatch.db", authenticator=authenticator
    )


@asynccontextmanager
async def client(running: LiteBatch, key: str | None = "alice") -> AsyncGenerator[httpx2.AsyncClient]:
    """A client of its app."""
    headers = {"authorization": f"Bearer {key}"} if key else {}
    transport = httpx2.ASGITransport(running.app)
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://gateway.example", headers=headers
    ) as http:
        yield http


@pytest.fixture
async def http(tmp_path: Path) -> AsyncGenerator[httpx2.AsyncClient]:
    running = litebatch(tmp_path)
    async with running.lifespan(), client(running) as http:
        yield http


def told(answer: httpx2.Response) -> dict[str, Any]:
    """The error of an answer, which has all that every error has."""
    error: dict[str, Any] = answer.json()["error"]
    assert {"message", "type", "param", "code"} <= set(error)
    assert answer.headers["x-request-id"]
    return error


@pytest.mark.parametrize("path", PATHS)
async def test_without_a_key_nobody_comes_in(http: httpx2.AsyncClient, path: str) -> None:
    del http.headers["authorization"]
    for method in PATHS[path]:
        answer = await http.request(method, path)
        assert answer.status_code == 401
        if method != "HEAD":
            assert told(answer)["code"] == "invalid_api_key"


@pytest.mark.parametrize("path", PATHS)
async def test_other_methods_are_refused_and_the_right_ones_named(
    http: httpx2.AsyncClient, path: str
) -> None:
    for method in METHODS - PATHS[path]:
        answer = await http.request(method, path)
        assert answer.status_code == 405
        assert set(answer.headers["allow"].split(", ")) == PATHS[path]
        if method != "HEAD":
            assert told(answer)["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/nope",
        "/files/",
        "/files/a/b",
        "/files//content",
        "/batches/a/b",
        "/v1/files",
    ],
)
async def test_other_paths_are_not_found(http: httpx2.AsyncClient, path: str) -> None:
    answer = await http.get(path)
    assert answer.status_code == 404
    assert "Invalid URL" in told(answer)["message"]


async def test_an_authenticator_that_fails_lets_nobody_in(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(connection: HTTPConnection) -> Principal | None:
        raise ConnectionError("redis://:hunter2@auth.internal")

    running = litebatch(tmp_path, broken)
    async with running.lifespan(), client(running) as http:
        answer = await http.get("/files")
    assert answer.status_code == 503
    assert "retry-after" in answer.headers
    assert "auth.internal" not in answer.text
    assert "auth.internal" in caplog.text


async def test_an_authenticator_may_say_no_in_its_own_words(tmp_path: Path) -> None:
    async def strict(connection: HTTPConnection) -> Principal | None:
        raise RateLimited("Slow down.", code="too_many_logins")

    running = litebatch(tmp_path, strict)
    async with running.lifespan(), client(running) as http:
        answer = await http.get("/files")
    assert answer.status_code == 429
    assert told(answer)["code"] == "too_many_logins"


@pytest.mark.parametrize(
    ("raised", "kind", "code", "retry_after"),
    [
        (HTTPException(401, "Log in."), "authentication_error", "invalid_api_key", ""),
        (HTTPException(403), "permission_error", "permission_denied", ""),
        (HTTPException(429, headers={"Retry-After": "7"}), "rate_limit_error", "rate_limit_exceeded", "7"),
        (HTTPException(429, headers={"retry-after": "soon"}), "rate_limit_error", "rate_limit_exceeded", "1"),
        (HTTPException(402, "Pay."), "invalid_request_error", None, ""),
    ],
    ids=repr,
)
async def test_an_authenticator_may_say_no_in_starlettes_words(
    tmp_path: Path, raised: HTTPException, kind: str, code: str | None, retry_after: str
) -> None:
    async def strict(connection: HTTPConnection) -> Principal | None:
        raise raised

    running = litebatch(tmp_path, strict)
    async with running.lifespan(), client(running) as http:
        answer = await http.get("/files")
    assert answer.status_code == raised.status_code
    error = told(answer)
    assert (error["message"], error["type"], error["code"]) == (raised.detail, kind, code)
    assert answer.headers.get("retry-after", "") == retry_after
    assert ("www-authenticate" in answer.headers) == (raised.status_code == 401)


async def test_an_authenticator_that_blames_itself_lets_nobody_in(tmp_path: Path) -> None:
    async def broken(connection: HTTPConnection) -> Principal | None:
        raise HTTPException(502, "auth.internal is down")

    running = litebatch(tmp_path, broken)
    async with running.lifespan(), client(running) as http:
        answer = await http.get("/files")
    assert answer.status_code == 503
    assert "auth.internal" not in answer.text


async def test_a_small_body_has_its_time() -> None:
    async def silent() -> Message:
        await anyio.sleep_forever()
        raise AssertionError

    request = Request({"type": "http", "method": "POST", "headers": []}, silent)
    with pytest.raises(RequestTimeout):
        await small_body(request, within_seconds=0.01)


async def test_the_caller_is_asked_for_once_and_before_the_body(tmp_path: Path) -> None:
    asked: list[str] = []

    async def nobody(connection: HTTPConnection) -> Principal | None:
        asked.append(connection.url.path)
        return None

    async def no_body() -> Message:
        raise AssertionError("the body was read")

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    scope: Scope = {"type": "http", "method": "POST", "path": "/files", "query_string": b"", "headers": []}
    running = litebatch(tmp_path, nobody)
    async with running.lifespan():
        await running.app(scope, no_body, send)
    assert sent[0]["status"] == 401
    assert len(asked) == 1


async def test_a_lifespan_that_was_not_entered_is_told_how_to(tmp_path: Path) -> None:
    async with client(litebatch(tmp_path)) as http:
        answer = await http.get("/files")
        assert (await http.get("/nope")).status_code == 404
    assert answer.status_code == 503
    assert told(answer)["code"] == "lifespan_not_entered"
    assert "FastAPI(lifespan=litebatch.lifespan)" in told(answer)["message"]


async def test_it_can_be_mounted(tmp_path: Path) -> None:
    running = litebatch(tmp_path)
    host = FastAPI(lifespan=running.lifespan)
    host.mount("/gateway/v1", running.app)
    async with running.lifespan():
        transport = httpx2.ASGITransport(host)
        headers = {"authorization": "Bearer alice"}
        async with httpx2.AsyncClient(
            transport=transport, base_url="http://h.example", headers=headers
        ) as http:
            assert (await http.get("/gateway/v1/batches")).json()["data"] == []
            assert told(await http.get("/gateway/v1/batches/batch_x"))["param"] is None
            assert (await http.put("/gateway/v1/files")).status_code == 405
            assert told(await http.get("/gateway/v1/nope"))["message"] == "Invalid URL (GET /gateway/v1/nope)"


def test_websockets_are_turned_away(tmp_path: Path) -> None:
    with (
        TestClient(litebatch(tmp_path).app) as http,
        pytest.raises(WebSocketDisconnect),
        http.websocket_connect("/files"),
    ):
        pass


async def test_a_model_is_looked_at_by_its_name(tmp_path: Path) -> None:
    """Which may have slashes; of a wildcard all that it stands for is there."""
    deployment = Deployment(model_name="openai/*", model="openai/*", api_base=NOWHERE)
    batch = Deployment(model_name="gpt-4o-batch", model="openai/gpt-4o", api_base=NOWHERE)
    running = LiteBatch(
        deployments=[deployment, batch],
        storage=f"sqlite:///{tmp_path}/a.db",
        authenticator=by_key,
    )
    app = Starlette(routes=[Mount("/v1", running.app)])
    async with running.lifespan(), served(app) as address:
        for key, name, is_there in (
            ("alice", "gpt-4o-batch", True),
            ("alice", "openai/gpt-4o", True),
            ("alice", "openai/*", True),
            ("alice:gpt-4o-batch", "gpt-4o-batch", True),
            ("alice:gpt-4o-batch", "openai/gpt-4o", False),
            ("alice:openai/gpt-*", "openai/gpt-4o", True),
            ("alice", "gpt-4o", False),
            ("alice", "naïve/ ?#", False),
        ):
            async with AsyncOpenAI(
                base_url=f"{address}/v1",
                api_key=key,
                max_retries=0,
                http_client=DefaultAsyncHttpxClient(verify=False),
            ) as client:
                if is_there:
                    model = await client.models.retrieve(name)
                    assert (model.id, model.object, model.owned_by) == (name, "model", "litebatch")
                    continue
                with pytest.raises(NotFoundError) as refused:
                    await client.models.retrieve(name)
                assert refused.value.body == {
                    "message": f"The model '{name}' does not exist or you do not have access to it.",
                    "type": "invalid_request_error",
                    "param": "model",
                    "code": "model_not_found",
                }


async def test_models_are_those_of_the_caller(gateway: Gateway) -> None:
    async with gateway.client("alice") as client:
        assert [model.id async for model in client.models.list()] == ["gpt-4o-batch"]
    async with gateway.client("bob:other-model") as client:
        assert [model.id async for model in client.models.list()] == []
    async with gateway.http("alice") as http:
        (group,) = (await http.get("/model_group/info")).json()["data"]
        assert (group["model_group"], group["providers"], group["mode"]) == (
            "gpt-4o-batch",
            ["openai"],
            "batch",
        )
    async with gateway.http("bob:other-model") as http:
        assert (await http.get("/model_group/info")).json() == {"data": []}


@pytest.mark.parametrize("path", ["/files", "/batches", "/models", "/files/file-x", "/batches/batch_x"])
async def test_head_is_get_without_the_body(http: httpx2.AsyncClient, path: str) -> None:
    got, looked = await http.get(path), await http.head(path)
    assert looked.status_code == got.status_code
    assert looked.headers["content-length"] == got.headers["content-length"]


async def test_a_large_body_is_not_read_to_its_end(gateway: Gateway) -> None:
    async with raw_client(gateway.address) as client:
        begin = head(
            "POST",
            "/v1/batches",
            authorization="Bearer alice",
            content_type="application/json",
            content_length=10**9,
        )
        await client.send(begin, b" " * 300_000)
        answer = await client.answer()
    assert answer.status == 400
    assert "more than 262144 bytes" in answer.json()["error"]["message"]


async def test_nobody_uploads_without_a_key(gateway: Gateway) -> None:
    async with raw_client(gateway.address) as client:
        await client.send(head("POST", "/v1/files", content_type=CONTENT_TYPE, content_length=10**9))
        answer = await client.answer()
    assert answer.status == 401
