"""Mounted in all the ways that hosts have: whose lifespan it is, and under which path it stands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Mount, Router
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send

from litebatch_asgi import LiteBatch, Principal
from tests.host.hosting import back_to, litebatch_in, traces

KEY = {"authorization": "Bearer alice"}
NOWHERE = "http://127.0.0.1:9"
OWNER = Principal(owner="alice")


@pytest.fixture
def litebatch(tmp_path: Path) -> LiteBatch:
    return litebatch_in(tmp_path, NOWHERE)


def client(app: ASGIApp, root_path: str = "") -> httpx2.AsyncClient:
    transport = httpx2.ASGITransport(app, root_path=root_path)
    return httpx2.AsyncClient(transport=transport, base_url="http://host.example", headers=KEY)


def nested(litebatch: LiteBatch) -> Callable[[Any], AbstractAsyncContextManager[None]]:
    """The host's own lifespan, with ours inside."""

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncGenerator[None]:
        async with litebatch.lifespan(app):
            yield

    return lifespan


@pytest.mark.parametrize("kind", ["handed over", "nested", "alone"])
def test_hosts_enter_it(litebatch: LiteBatch, kind: str) -> None:
    apps: dict[str, Callable[[], ASGIApp]] = {
        "handed over": lambda: FastAPI(lifespan=litebatch.lifespan),
        "nested": lambda: Starlette(lifespan=nested(litebatch)),
        "alone": lambda: litebatch.app,
    }
    app = apps[kind]()
    path = "/batches"
    if isinstance(app, Starlette):
        app.mount("/v1", litebatch.app)
        path = "/v1/batches"
    for _ in range(2):
        with TestClient(app) as http:
            assert litebatch.is_entered
            assert http.get(path, headers=KEY).json()["data"] == []
        assert not litebatch.is_entered


async def test_forgotten_it_names_the_line_to_add(litebatch: LiteBatch) -> None:
    app = FastAPI()
    app.mount("/v1", litebatch.app)
    async with client(app) as http:
        for method, path in (("GET", "/v1/files"), ("POST", "/v1/batches"), ("GET", "/v1/batches/batch_x")):
            answer = await http.request(method, path)
            assert answer.status_code == 503
            error = answer.json()["error"]
            assert error["code"] == "lifespan_not_entered"
            assert "FastAPI(lifespan=litebatch.lifespan)" in error["message"]
            assert "async with litebatch.lifespan(app)" in error["message"]
            assert answer.headers["x-should-retry"] == "false"


async def test_the_last_one_to_leave_closes(litebatch: LiteBatch) -> None:
    async with litebatch.lifespan():
        async with litebatch.lifespan(), litebatch.lifespan():
            files = litebatch.files
        assert litebatch.files is files
        assert litebatch.is_entered
    assert not litebatch.is_entered


async def test_entered_in_one_task_and_left_in_another(litebatch: LiteBatch) -> None:
    before = traces()
    context = litebatch.lifespan()
    await asyncio.create_task(context.__aenter__())
    assert litebatch.is_entered
    await asyncio.create_task(context.__aexit__(None, None, None))
    assert not litebatch.is_entered
    await back_to(before)


async def test_many_enter_and_leave_at_once(litebatch: LiteBatch) -> None:
    before = traces()

    async def visit() -> None:
        async with litebatch.lifespan():
            await litebatch.files.list(OWNER)

    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(visit)
    await back_to(before)


async def test_entered_while_it_is_being_left(litebatch: LiteBatch) -> None:
    before = traces()
    context = litebatch.lifespan()
    await context.__aenter__()
    leaving = asyncio.create_task(context.__aexit__(None, None, None))
    while litebatch.is_entered:
        await anyio.lowlevel.checkpoint()
    async with litebatch.lifespan():
        await litebatch.files.list(OWNER)
        await leaving
        await litebatch.files.list(OWNER)
    await back_to(before)


async def test_what_the_host_raises_passes_through(litebatch: LiteBatch) -> None:
    before = traces()
    with pytest.raises(ZeroDivisionError):
        async with litebatch.lifespan():
            raise ZeroDivisionError
    await back_to(before)


class Proxied:
    """A server that was told the path it is reached under, as uvicorn's `--root-path` does."""

    def __init__(self, app: ASGIApp, root_path: str) -> None:
        self._app = app
        self._root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope = dict(scope) | {"root_path": self._root_path, "path": self._root_path + scope["path"]}
        await self._app(scope, receive, send)


PLACES: dict[str, tuple[Callable[[ASGIApp], ASGIApp], str]] = {
    "at the root": (lambda app: app, ""),
    "mounted": (lambda app: Starlette(routes=[Mount("/v1", app)]), "/v1"),
    "deeper": (lambda app: Starlette(routes=[Mount("/a/b", app)]), "/a/b"),
    "in a mount": (lambda app: Starlette(routes=[Mount("/a", Router([Mount("/b", app)]))]), "/a/b"),
    "in a mounted app": (
        lambda app: Starlette(routes=[Mount("/a", Starlette(routes=[Mount("/b", app)]))]),
        "/a/b",
    ),
    "behind a proxy": (lambda app: Proxied(app, "/gateway"), ""),
    "mounted behind a proxy": (
        lambda app: Proxied(Starlette(routes=[Mount("/v1", app)]), "/gateway"),
        "/v1",
    ),
    "with a parameter": (lambda app: Starlette(routes=[Mount("/{tenant}/v1", app)]), "/acme/v1"),
}


@pytest.mark.parametrize("place", PLACES)
async def test_it_stands_under_any_path(litebatch: LiteBatch, place: str) -> None:
    wrap, prefix = PLACES[place]
    async with litebatch.lifespan(), client(wrap(litebatch.app)) as http:
        for path in ("/files", "/batches", "/models"):
            answer = await http.get(f"{prefix}{path}")
            assert answer.status_code == 200, path
            assert answer.json()["object"] == "list"
        answer = await http.get(f"{prefix}/batches/batch_lb01k00000000000000000000000")
        assert answer.status_code == 404
        assert "No batch found" in answer.json()["error"]["message"]
        answer = await http.get(f"{prefix}/nothing")
        assert answer.status_code == 404
        assert "Invalid URL" in answer.json()["error"]["message"]


async def test_it_describes_itself_where_it_stands(litebatch: LiteBatch) -> None:
    async with litebatch.lifespan():
        for wrap, prefix in PLACES.values():
            async with client(wrap(litebatch.app)) as http:
                answer = await http.get(f"{prefix}/openapi.json")
                assert answer.status_code == 200
