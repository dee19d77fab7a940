"""Streaming a provider's file."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from anyio.abc import SocketStream

from litebatch_asgi.errors import DeploymentRefused, NoClearAnswer, ProviderError, ProviderNotFound
from litebatch_asgi.providers.openai import OpenAIAdapter

from .wire import Answer, adapter_for, answer, cut, raw_server, refusal, says

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


async def stall(stream: SocketStream) -> None:
    await stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
    await anyio.sleep_forever()


async def content_of(adapter: OpenAIAdapter) -> bytes:
    async with adapter.stream_file("file-1") as stream:
        return b"".join([block async for block in stream.blocks])


@pytest.mark.parametrize("content", [b"", b"a", b"\x00\xff\r\n" * 500_000])
async def test_content_comes_byte_for_byte(content: bytes) -> None:
    async with (
        raw_server(answer(raw=content)) as server,
        adapter_for(server.base_url) as adapter,
        adapter.stream_file("file-1") as stream,
    ):
        assert stream.size == len(content)
        blocks = [block async for block in stream.blocks]
    assert b"".join(blocks) == content
    assert max(map(len, blocks), default=0) <= 262_144
    [request] = server.received
    assert (request.method, request.target) == ("GET", "/v1/files/file-1/content")
    assert request.headers["accept-encoding"] == "identity"


async def test_no_content_is_content_of_no_bytes() -> None:
    async with (
        raw_server(says(b"HTTP/1.1 204 No Content\r\n\r\n")) as server,
        adapter_for(server.base_url) as adapter,
        adapter.stream_file("file-1") as stream,
    ):
        assert stream.size == 0
        assert [block async for block in stream.blocks] == []


async def test_content_in_chunks_has_no_stated_size() -> None:
    chunks = CHUNKED + b"3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n"
    async with (
        raw_server(says(chunks)) as server,
        adapter_for(server.base_url) as adapter,
        adapter.stream_file("file-1") as stream,
    ):
        assert stream.size is None
        assert b"".join([block async for block in stream.blocks]) == b"abcdefg"


@pytest.mark.parametrize(
    "given",
    [
        cut(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"),
        cut(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"),
        cut(CHUNKED + b"3\r\nabc\r\n"),
        cut(CHUNKED + b"3\r\nab"),
        cut(CHUNKED + b"3\r\nabc\r\nzz\r\n"),
    ],
)
async def test_content_that_is_cut_never_ends_normally(given: Answer) -> None:
    async with raw_server(given, answer(raw=b"x")) as server, adapter_for(server.base_url) as adapter:
        with pytest.raises(NoClearAnswer):
            await content_of(adapter)
    assert len(server.received) == 1


@pytest.mark.parametrize(
    "given",
    [
        cut(b"HTTP/1.1 200 OK\r\n\r\nabc"),
        cut(b"HTTP/1.0 200 OK\r\n\r\nabc"),
        answer(raw=b"\x1f\x8b", headers={"Content-Encoding": "gzip"}),
    ],
)
async def test_content_whose_end_would_be_a_guess_is_not_read(given: Answer) -> None:
    async with raw_server(given) as server, adapter_for(server.base_url) as adapter:
        with pytest.raises(NoClearAnswer):
            await content_of(adapter)


async def test_opening_is_repeated() -> None:
    answers = [refusal(503), cut(), answer(raw=b"abc")]
    async with raw_server(*answers) as server, adapter_for(server.base_url) as adapter:
        assert await content_of(adapter) == b"abc"
    assert len(server.received) == 3


@pytest.mark.parametrize(
    ("given", "meaning"), [(refusal(404), ProviderNotFound), (refusal(403), DeploymentRefused)]
)
async def test_content_that_is_refused(given: Answer, meaning: type[ProviderError]) -> None:
    async with raw_server(given) as server, adapter_for(server.base_url) as adapter:
        with pytest.raises(meaning):
            await content_of(adapter)


async def test_content_that_stalls_is_given_up() -> None:
    async with (
        raw_server(answer(raw=b"x"), stall) as server,
        adapter_for(server.base_url, seconds=0.5) as adapter,
    ):
        assert await content_of(adapter) == b"x"
        with anyio.fail_after(5), pytest.raises(NoClearAnswer):
            await content_of(adapter)


SLOWEST: dict[str, Any] = {"min_download_bytes_per_second": 10_000.0, "download_grace_seconds": 1.0}


async def dribble(stream: SocketStream) -> None:
    """Never silent for long, and never done."""
    await stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while True:
        await stream.send(b"x")
        await anyio.sleep(0.01)


@pytest.mark.parametrize("given", [dribble, stall])
async def test_content_that_comes_too_slowly_is_given_up(given: Answer) -> None:
    async with (
        raw_server(answer(raw=b"abc"), given) as server,
        adapter_for(server.base_url, seconds=30, **SLOWEST) as adapter,
    ):
        assert await content_of(adapter) == b"abc"
        with anyio.fail_after(5), pytest.raises(NoClearAnswer, match="fewer than 10000 bytes"):
            await content_of(adapter)


async def test_a_quick_start_does_not_make_up_for_what_follows() -> None:
    async def quick_then_slow(stream: SocketStream) -> None:
        await stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n" + bytes(5_000_000))
        await anyio.sleep_forever()

    async with (
        raw_server(quick_then_slow) as server,
        adapter_for(server.base_url, seconds=30, **SLOWEST) as adapter,
    ):
        with anyio.fail_after(5), pytest.raises(NoClearAnswer, match="fewer than"):
            await content_of(adapter)


async def test_a_slow_reader_is_not_the_providers_fault() -> None:
    content = bytes(8_000_000)
    async with (
        raw_server(answer(raw=content)) as server,
        adapter_for(server.base_url, **SLOWEST) as adapter,
        adapter.stream_file("file-1") as stream,
    ):
        read = 0
        async for block in stream.blocks:
            if read < 2 * len(block):
                await anyio.sleep(0.6)
            read += len(block)
    assert read == len(content)


async def test_leaving_early_leaves_the_adapter_usable() -> None:
    async with (
        raw_server(*[answer(raw=bytes(10_000_000))] * 2) as server,
        adapter_for(server.base_url) as adapter,
    ):
        async with adapter.stream_file("file-1") as stream:
            async for _ in stream.blocks:
                break
        assert len(await content_of(adapter)) == 10_000_000
    assert server.connections == 2


async def test_a_readers_own_error_goes_on_as_it_is() -> None:
    async with raw_server(answer(raw=b"abc")) as server, adapter_for(server.base_url) as adapter:
        with pytest.raises(KeyError, match="mine"):
            async with adapter.stream_file("file-1"):
                raise KeyError("mine")


async def test_a_cancelled_reader_leaves_the_adapter_usable() -> None:
    reading = anyio.Event()

    async with raw_server(stall, answer(raw=b"abc")) as server, adapter_for(server.base_url) as adapter:

        async def read() -> None:
            async with adapter.stream_file("file-1") as stream:
                async for _ in stream.blocks:
                    reading.set()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            await reading.wait()
            tasks.cancel_scope.cancel()
    assert server.connections == 1


async def test_closing_the_adapter_cuts_a_reader_off() -> None:
    async with raw_server(stall) as server, adapter_for(server.base_url) as adapter:

        async def read_and_close() -> None:
            async with adapter.stream_file("file-1") as stream:
                async for _ in stream.blocks:
                    await adapter.aclose()

        with pytest.raises(NoClearAnswer):
            await read_and_close()
