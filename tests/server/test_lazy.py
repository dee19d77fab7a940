"""What is loaded when somebody first asks for it is loaded once, and not by the event loop's thread."""

from __future__ import annotations

import threading

import anyio
import anyio.to_thread
import httpx2
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp

from litebatch_asgi.server.lazy import LazyApp


def client_of(app: ASGIApp) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://gateway")


async def test_many_who_ask_at_once_have_it_loaded_once() -> None:
    loaded: list[threading.Thread] = []
    began, may_go_on = threading.Event(), threading.Event()

    def load() -> ASGIApp:
        loaded.append(threading.current_thread())
        began.set()
        may_go_on.wait(10)
        return PlainTextResponse("there")

    answers: list[str] = []
    async with client_of(LazyApp(load)) as client, anyio.create_task_group() as group:

        async def ask() -> None:
            answers.append((await client.get("/")).text)

        for _ in range(5):
            group.start_soon(ask)
        assert await anyio.to_thread.run_sync(began.wait, 10)
        may_go_on.set()
    assert answers == ["there"] * 5
    assert len(loaded) == 1
    assert loaded[0] is not threading.current_thread()


async def test_what_cannot_be_loaded_is_tried_again() -> None:
    tries = 0

    def load() -> ASGIApp:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise ImportError("not now")
        return PlainTextResponse("there")

    async with client_of(LazyApp(load)) as client:
        with pytest.raises(ImportError):
            await client.get("/")
        assert (await client.get("/")).text == "there"
