"""Requests whose head never ends: unauthenticated clients cannot fill the memory with it."""

from __future__ import annotations

from contextlib import suppress

import pytest
from starlette.responses import PlainTextResponse

from tests.http.sockets import head, raw_client, served

APP = PlainTextResponse("Hello.")


async def test_a_head_of_usual_size_is_served() -> None:
    async with served(APP) as address, raw_client(address) as client:
        for size in (1, 1000, 30_000, 30_000, 30_000):
            await client.send(head("GET", "/", x="y" * size))
            assert (await client.answer()).status == 200


@pytest.mark.parametrize("piece", [b"x: " + b"y" * 10_000 + b"\r\n", b"y" * 10_000])
async def test_a_head_without_end_is_cut_off(piece: bytes) -> None:
    async with served(APP) as address, raw_client(address) as client:
        with suppress(ConnectionError):  # that of a client which goes on sending
            await client.send(b"GET / HTTP/1.1\r\nx: ", *[piece] * 40)
            assert b"400 Bad Request" in await client.rest()


async def test_a_long_body_is_no_head() -> None:
    async with served(APP) as address, raw_client(address) as client:
        await client.send(head("POST", "/", content_length=1_000_000), *[b"x" * 100_000] * 10)
        assert (await client.answer()).status == 200
