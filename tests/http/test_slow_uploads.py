"""Uploads that come too slowly, or never end: they keep nobody else out, however LiteBatch is served."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import pytest
from msgspec.structs import replace
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp

from litebatch_asgi.app import LiteBatch
from litebatch_asgi.middleware import LiteBatchMiddleware
from litebatch_asgi.models import Settings
from litebatch_asgi.server.gateway import build_gateway
from tests.harness import MODEL, QUICK, lines
from tests.host.hosting import eventually
from tests.http.forms import CONTENT_TYPE, field, file, form
from tests.http.open_files import open_in
from tests.http.sockets import Answer, chunked, head, raw_client, served
from tests.middleware.stage import Recorder, litebatch

MEGABYTE = 1 << 20
WAYS = ["mounted", "standalone", "middleware"]
IMPATIENT = replace(QUICK, upload_grace_seconds=0.3, min_upload_bytes_per_second=1_000_000.0)
WHOLE = form(field("purpose", "batch"), file(lines()))
FIRST, _ = chunked(WHOLE[:50])
BEGINNING = form(field("purpose", "batch"), file(b"x" * 2 * MEGABYTE))[:-100]


def app_for(way: str, running: LiteBatch) -> ASGIApp:
    if way == "mounted":
        return Starlette(routes=[Mount("/v1", running.app)])
    return (
        build_gateway(running) if way == "standalone" else LiteBatchMiddleware(Recorder(), litebatch=running)
    )


@asynccontextmanager
async def serving(way: str, folder: Path, settings: Settings) -> AsyncGenerator[str]:
    running = litebatch(folder, settings=settings)
    app = app_for(way, running)
    async with running.lifespan(), served(app) as address:
        yield address


def begin(owner: str) -> bytes:
    return head(
        "POST",
        "/v1/files",
        authorization=f"Bearer {owner}",
        content_type=CONTENT_TYPE,
        transfer_encoding="chunked",
        x_litebatch_target_model_names=MODEL,
    )


async def whole(address: str, owner: str) -> Answer:
    """What an upload that comes at once is answered."""
    async with raw_client(address) as client:
        await client.send(begin(owner), *chunked(WHOLE))
        return await client.answer()


@pytest.mark.parametrize("way", WAYS)
async def test_a_body_that_trickles_is_ended(tmp_path: Path, way: str) -> None:
    settings = replace(IMPATIENT, max_concurrent_uploads=1)
    async with serving(way, tmp_path, settings) as address, raw_client(address) as client:
        first, _ = chunked(BEGINNING)
        await client.send(begin("alice"), first)
        told = await client.drip(b"1\r\nx\r\n", every_seconds=0.02)
        assert told.startswith(b"HTTP/1.1 408 ")
        assert b"connection: close\r\n" in told
        assert b'"code":"request_timeout"' in told
        assert b"1000000 bytes a second" in told
        assert open_in(tmp_path) == []
        assert (await whole(address, "bob")).status == 503  # its one deployment does not answer


@pytest.mark.parametrize("way", WAYS)
async def test_a_body_that_never_ends_is_ended(tmp_path: Path, way: str) -> None:
    settings = replace(QUICK, max_upload_seconds=0.4, max_concurrent_uploads=1)
    async with serving(way, tmp_path, settings) as address, raw_client(address) as client:
        first, _ = chunked(BEGINNING)
        await client.send(begin("alice"), first)
        told = await client.drip(next(iter(chunked(b"x" * 10_000))), every_seconds=0.01)
        assert told.startswith(b"HTTP/1.1 408 ")
        assert b"0.4 seconds" in told
        assert open_in(tmp_path) == []
        assert (await whole(address, "bob")).status == 503


async def test_a_client_that_pauses_now_and_then_is_waited_for(tmp_path: Path) -> None:
    settings = replace(QUICK, upload_grace_seconds=1.0, min_upload_bytes_per_second=len(WHOLE) / 2.0)
    async with serving("mounted", tmp_path, settings) as address, raw_client(address) as client:
        await client.send(begin("alice"))
        for chunk in chunked(WHOLE[:100], WHOLE[100:200], WHOLE[200:]):
            await asyncio.sleep(0.2)
            await client.send(chunk)
        assert (await client.answer()).status == 503


@pytest.mark.parametrize("way", WAYS)
async def test_nobody_takes_all_slots(tmp_path: Path, way: str) -> None:
    settings = replace(QUICK, max_concurrent_uploads=8)
    async with AsyncExitStack() as stack:
        address = await stack.enter_async_context(serving(way, tmp_path, settings))

        async def held(owner: str, *, at_most: int) -> int:
            """How many uploads of this owner are let in, and stay."""
            for number in range(at_most):
                client = await stack.enter_async_context(raw_client(address))
                await client.send(begin(owner), FIRST)
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.1):
                        answer = await client.answer()
                        assert (answer.status, answer.headers["retry-after"]) == (429, "1")
                        return number
            return at_most

        assert await held("alice", at_most=8) == 6
        assert await held("bob", at_most=8) == 1
        assert await held("carol", at_most=8) == 1
        assert await held("dave", at_most=8) == 0


async def test_an_owner_gets_in_again_when_an_upload_of_its_own_has_ended(tmp_path: Path) -> None:
    settings = replace(QUICK, max_concurrent_uploads=2)
    async with serving("mounted", tmp_path, settings) as address:

        async def is_answered(status: int) -> bool:
            return (await whole(address, "alice")).status == status

        for _ in range(2):
            async with raw_client(address) as client:
                await client.send(begin("alice"), FIRST)
                await eventually(partial(is_answered, 429))
                client.cut()
            await eventually(partial(is_answered, 503))
