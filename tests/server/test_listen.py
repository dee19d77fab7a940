"""Sockets to listen on."""

from __future__ import annotations

import asyncio
import socket

import pytest

from litebatch_asgi.server.listen import address_of, listen


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_what_is_written_to_a_connection_goes_out_at_once(host: str) -> None:
    """Without that the second part of an answer waits 40 ms, until the client acknowledges the first."""
    writers: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()

    async def connected(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await writers.put(writer)

    with listen(host, 0) as listener:
        async with await asyncio.start_server(connected, sock=listener):
            with socket.create_connection(listener.getsockname()[:2]):
                writer = await writers.get()
                option = writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
                writer.close()
    assert option


@pytest.mark.parametrize(("host", "shown"), [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")])
def test_the_address_of_a_free_port(host: str, shown: str) -> None:
    with listen(host, 0) as listener:
        assert address_of(listener) == f"http://{shown}:{listener.getsockname()[1]}"
