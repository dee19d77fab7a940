"""LiteBatch's lifespan around that of the app behind, whatever that one does."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypedDict

import anyio
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from litebatch_asgi.app import LiteBatch
from litebatch_asgi.errors import ConfigError
from litebatch_asgi.middleware import LiteBatchMiddleware
from litebatch_asgi.middleware.lifespan import LifespanResponder
from tests.middleware.stage import litebatch

STARTUP: Message = {"type": "lifespan.startup"}
SHUTDOWN: Message = {"type": "lifespan.shutdown"}
HEADERS = {"authorization": "Bearer alice"}


class Run:
    """A server's side of the lifespan, which asks for the shutdown as soon as the app has started."""

    def __init__(self, running: LiteBatch, inner: ASGIApp, *, shuts_down: bool = True) -> None:
        self.app = LiteBatchMiddleware(inner, litebatch=running)
        self.scope: Scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
        self.litebatch = running
        self.sent: list[str] = []
        self.entered: list[bool] = []
        self.told: list[Message] = []
        self.started = asyncio.Event()
        self._messages = [STARTUP, SHUTDOWN]
        self._shuts_down = shuts_down

    async def receive(self) -> Message:
        """As a server does."""
        if len(self._messages) == 1:
            await self.started.wait()
            if not self._shuts_down:
                await anyio.sleep_forever()
        return self._messages.pop(0)

    async def send(self, message: Message) -> None:
        """Note it, and whether LiteBatch was running then."""
        self.told.append(message)
        self.sent.append(message["type"].removeprefix("lifespan."))
        self.entered.append(self.litebatch.is_entered)
        self.started.set()

    async def to_its_end(self) -> None:
        """Start and shut down."""
        await self.app(self.scope, self.receive, self.send)
        assert not self.litebatch.is_entered


COMPLETE = ["startup.complete", "shutdown.complete"]


async def test_it_runs_while_the_app_behind_does(tmp_path: Path) -> None:
    running = litebatch(tmp_path)
    seen: list[Any] = []

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[dict[str, int]]:
        seen.append(running.is_entered)
        yield {"answer": 42}
        seen.append(running.is_entered)

    run = Run(running, Starlette(lifespan=lifespan))
    await run.to_its_end()
    assert (run.sent, run.entered) == (COMPLETE, [True, False])
    assert seen == [True, True]
    assert run.scope["state"] == {"answer": 42}


async def test_the_app_behind_has_the_protocol_as_it_is(tmp_path: Path) -> None:
    got: list[Message] = []

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope is run.scope
        got.append(await receive())
        await send(started)
        got.append(await receive())
        await send(stopped)

    started: Message = {"type": "lifespan.startup.complete", "more": 1}
    stopped: Message = {"type": "lifespan.shutdown.complete", "more": 2}
    run = Run(litebatch(tmp_path), inner)
    await run.to_its_end()
    assert (got, run.told) == ([STARTUP, SHUTDOWN], [started, stopped])


async def refusing(scope: Scope, receive: Receive, send: Send) -> None:
    assert scope["type"] == "http"


async def ignoring(scope: Scope, receive: Receive, send: Send) -> None:
    pass


async def reading(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    raise ValueError("no such thing")


async def starting_only(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})


async def breaking_later(scope: Scope, receive: Receive, send: Send) -> None:
    await starting_only(scope, receive, send)
    raise ValueError("broken")


@pytest.mark.parametrize(
    ("inner", "level"),
    [
        (refusing, ["INFO"]),
        (ignoring, []),
        (reading, ["WARNING"]),
        (starting_only, []),
        (breaking_later, ["WARNING"]),
    ],
)
async def test_an_app_that_takes_no_part_is_served_all_the_same(
    tmp_path: Path, inner: ASGIApp, level: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """A server goes on without a lifespan in the first three cases, and so does the middleware."""
    caplog.set_level(logging.INFO, "litebatch_asgi")
    run = Run(litebatch(tmp_path), inner)
    await run.to_its_end()
    assert (run.sent, run.entered) == (COMPLETE, [True, False])
    assert [record.levelname for record in caplog.records if "behind" in record.message] == level


async def test_an_app_behind_that_cannot_start_says_so_itself(tmp_path: Path) -> None:
    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[None]:
        raise ZeroDivisionError
        yield

    run = Run(litebatch(tmp_path), Starlette(lifespan=lifespan))
    with pytest.raises(ZeroDivisionError):
        await run.to_its_end()
    assert (run.sent, run.entered) == (["startup.failed"], [False])
    assert not run.litebatch.is_entered


async def test_one_that_says_so_and_returns_is_not_gone_on_with(tmp_path: Path) -> None:
    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no"})

    run = Run(litebatch(tmp_path), inner)
    await run.to_its_end()
    assert run.told == [{"type": "lifespan.startup.failed", "message": "no"}]


async def test_an_app_behind_that_cannot_stop_says_so_itself(tmp_path: Path) -> None:
    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[None]:
        yield
        raise ZeroDivisionError

    run = Run(litebatch(tmp_path), Starlette(lifespan=lifespan))
    with pytest.raises(ZeroDivisionError):
        await run.to_its_end()
    assert (run.sent, run.entered) == (["startup.complete", "shutdown.failed"], [True, False])


async def test_an_app_behind_that_breaks_at_the_shutdown_is_heard(tmp_path: Path) -> None:
    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        await starting_only(scope, receive, send)
        await receive()
        raise ZeroDivisionError

    run = Run(litebatch(tmp_path), inner)
    with pytest.raises(ZeroDivisionError):
        await run.to_its_end()
    assert not run.litebatch.is_entered


async def test_what_litebatch_cannot_start_with_is_told_and_the_app_behind_left_alone(
    tmp_path: Path,
) -> None:
    running = litebatch(tmp_path)
    (tmp_path / "spool").rmdir()
    called: list[Scope] = []

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        called.append(scope)

    run = Run(running, inner)
    with pytest.raises(ConfigError, match="spool_dir"):
        await run.to_its_end()
    assert run.sent == ["startup.failed"]
    assert "spool_dir" in run.told[0]["message"]
    assert not called


async def test_what_fails_at_the_end_is_told(tmp_path: Path) -> None:
    @asynccontextmanager
    async def failing() -> AsyncGenerator[None]:
        yield
        raise ZeroDivisionError

    run = Run(litebatch(tmp_path), Starlette())
    responder = LifespanResponder(Starlette(), failing(), run.receive, run.send)
    with pytest.raises(ZeroDivisionError):
        await responder.respond(run.scope)
    assert run.sent == ["startup.complete", "shutdown.failed"]


async def test_a_server_that_gives_up_leaves_nothing_running(tmp_path: Path) -> None:
    run = Run(litebatch(tmp_path), Starlette(), shuts_down=False)
    async with anyio.create_task_group() as group:
        group.start_soon(run.to_its_end)
        await run.started.wait()
        assert run.litebatch.is_entered
        group.cancel_scope.cancel()
    assert not run.litebatch.is_entered


def home(request: Request) -> JSONResponse:
    return JSONResponse(dict(request.scope.get("state", {})))


@pytest.mark.parametrize("host", [Starlette, FastAPI])
@pytest.mark.parametrize("enters_itself", [False, True])
def test_added_to_a_host_app(tmp_path: Path, host: Any, enters_itself: bool) -> None:
    running = litebatch(tmp_path)
    app = host(lifespan=running.lifespan if enters_itself else None, routes=[Route("/", home)])
    app.add_middleware(LiteBatchMiddleware, litebatch=running, prefix="/v1")
    for _ in range(2):
        with TestClient(app, headers=HEADERS) as http:
            assert running.is_entered
            assert http.get("/v1/batches").json()["data"] == []
            assert http.get("/").json() == {}
            assert http.get("/v1/files/file-abc").status_code == 404
        assert not running.is_entered


class State(TypedDict):
    answer: int


def test_the_state_of_the_host_reaches_its_requests(tmp_path: Path) -> None:
    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[State]:
        yield {"answer": 42}

    app = Starlette(lifespan=lifespan, routes=[Route("/", home)])
    app.add_middleware(LiteBatchMiddleware, litebatch=litebatch(tmp_path))
    with TestClient(app, headers=HEADERS) as http:
        assert http.get("/").json() == {"answer": 42}


def test_one_in_front_of_another(tmp_path: Path) -> None:
    """Each has its own, and what neither knows reaches the host."""
    inner, outer = litebatch(tmp_path), litebatch(tmp_path)
    app = Starlette(routes=[Route("/v1/files", home), Route("/v2/models", home)])
    app.add_middleware(LiteBatchMiddleware, litebatch=inner, prefix="/v1")
    app.add_middleware(LiteBatchMiddleware, litebatch=outer, prefix="/v2")
    with TestClient(app, headers=HEADERS) as http:
        assert inner.is_entered
        assert outer.is_entered
        assert http.get("/v1/batches").json()["data"] == http.get("/v2/batches").json()["data"] == []
        assert http.get("/v1/files?managed=false").json() == http.get("/v2/models").json() == {}
    assert not inner.is_entered
    assert not outer.is_entered
