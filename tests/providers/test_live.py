"""One request at a time to servers that answer, or fail in every way that a socket knows."""

from __future__ import annotations

import gzip
import time
import zlib
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import pytest

from litebatch_asgi.errors import AnswerTooLarge, NoAnswer, ProviderError, ServerAway
from litebatch_asgi.models import NO_HINTS, Deployment, RateHints, Settings
from litebatch_asgi.provider import LiveAnswer, LiveRequest, LiveServer
from litebatch_asgi.providers.live.servers import live_server
from tests.certificates import certificate_for
from tests.survival.server import free_port

from .wire import Answer, answer, cut, listening, raw_server, refusal, says, silence

CHAT: dict[str, object] = {"object": "chat.completion", "choices": []}
KEY = "sk-test-0123456789"


def request_of(
    *,
    path: str = "/v1/chat/completions",
    body: bytes = b'{"model": "m"}',
    seconds: float = 5.0,
    most: int = 1000,
) -> LiveRequest:
    return LiveRequest(path=path, body=body, model="m", timeout_seconds=seconds, most_bytes=most)


@asynccontextmanager
async def server_at(base_url: str, **settings: Any) -> AsyncGenerator[LiveServer]:
    deployment = Deployment(model_name="v", model="hosted_vllm/m", api_base=base_url, api_key=KEY)
    async with aclosing(live_server(deployment, Settings(**settings))) as server:
        yield server


async def answered(*answers: Answer, **request: Any) -> LiveAnswer:
    """What comes of a request."""
    async with raw_server(*answers) as wire, server_at(wire.base_url) as server:
        try:
            return await server.send(request_of(**request))
        except ProviderError as error:
            failure = error
    raise failure  # in no group of errors


async def test_a_request_is_sent_as_it_is_and_its_answer_comes_as_it_is() -> None:
    body = b'{"model":  "m",\n "odd": [1]}'
    raw = b'{ "object": "chat.completion"}\n'
    scripted = answer(raw=raw, headers={"X-Request-Id": "r-1"})
    async with raw_server(scripted) as wire, server_at(wire.base_url) as server:
        told = await server.send(request_of(body=body))
    assert told == LiveAnswer(status=200, body=raw, request_id="r-1", limits=NO_HINTS)
    [received] = wire.received
    assert (received.method, received.target, received.body) == ("POST", "/v1/chat/completions", body)
    assert received.headers["authorization"] == f"Bearer {KEY}"
    assert received.headers["content-type"] == "application/json"
    assert received.headers["accept-encoding"] == "identity"
    assert received.headers["host"] == wire.root.removeprefix("http://")


@pytest.mark.parametrize("status", [201, 302, 400, 401, 404, 408, 429, 500, 503])
async def test_any_status_is_an_answer(status: int) -> None:
    told = await answered(answer({"error": {}}, status=status, headers={"location": "http://127.0.0.1:1/"}))
    assert (told.status, told.body) == (status, b'{"error":{}}')


async def test_what_an_answer_says_of_limits() -> None:
    told = await answered(
        refusal(
            429,
            retry_after="7",
            x_ratelimit_remaining_requests="0",
            x_ratelimit_reset_requests="120ms",
            x_ratelimit_remaining_tokens="12",
            x_ratelimit_reset_tokens="1m0s",
        )
    )
    assert told.limits == RateHints(
        retry_after=7.0, requests_left=0, requests_reset=0.12, tokens_left=12, tokens_reset=60.0
    )


async def test_a_connection_carries_one_request_after_the_other() -> None:
    async with raw_server(*[answer(CHAT)] * 3) as wire, server_at(wire.base_url) as server:
        for _ in range(3):
            await server.send(request_of())
    assert [received.connection for received in wire.received] == [1, 1, 1]


async def test_ten_at_a_time_have_a_connection_each_and_keep_as_many_as_may_run() -> None:
    async def slowly(stream: anyio.abc.SocketStream) -> None:
        await anyio.sleep(0.05)
        await answer(CHAT)(stream)

    async with (
        raw_server(*[slowly] * 20) as wire,
        server_at(wire.base_url, max_parallel_requests=8) as server,
    ):
        for _ in range(2):
            async with anyio.create_task_group() as tasks:
                for _ in range(10):
                    tasks.start_soon(server.send, request_of())
    assert len(wire.received) == 20
    assert wire.connections == 12


async def test_nobody_listens() -> None:
    async with server_at(f"http://127.0.0.1:{free_port()}/v1") as server:
        with pytest.raises(ServerAway, match="ConnectError"):
            await server.send(request_of())


async def test_a_host_that_there_is_not() -> None:
    async with server_at("http://no-such-host.invalid/v1") as server:
        with pytest.raises(ServerAway) as caught:
            await server.send(request_of())
    assert "no-such-host" not in caught.value.message


async def test_tls_needs_a_certificate_of_somebody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context, trusted = certificate_for(tmp_path, "localhost")

    async def serve(stream: anyio.abc.SocketStream) -> None:
        for _ in range(2):
            await stream.receive()
            await answer(CHAT)(stream)

    async with listening(serve, tls=context) as base_url:
        base_url = base_url.replace("127.0.0.1", "localhost")
        async with server_at(base_url) as server:
            with pytest.raises(ServerAway, match="certificate"):
                await server.send(request_of())
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
        async with server_at(base_url) as server:
            for _ in range(2):
                assert (await server.send(request_of())).status == 200


async def test_a_handshake_that_nobody_answers_is_nothing_sent() -> None:
    async def quiet(stream: anyio.abc.SocketStream) -> None:
        await anyio.sleep_forever()

    async with listening(quiet) as base_url, server_at(base_url.replace("http:", "https:")) as server:
        with pytest.raises(ServerAway, match="ConnectTimeout"):
            await server.send(request_of(seconds=0.3))


HALF = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"


@pytest.mark.parametrize(
    "torn",
    [b"", b"HTTP/1.1 200", HALF, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\r\n"],
    ids=["nothing", "head", "body", "chunk"],
)
async def test_a_cut_is_no_answer(torn: bytes) -> None:
    with pytest.raises(NoAnswer, match="cut") as caught:
        await answered(cut(torn))
    assert not caught.value.was_silent


async def test_what_is_no_http_is_no_answer() -> None:
    with pytest.raises(NoAnswer) as caught:
        await answered(says(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"))
    assert not caught.value.was_silent


async def trickle(stream: anyio.abc.SocketStream) -> None:
    await stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    while True:
        await stream.send(b"{")
        await anyio.sleep(0.02)


async def half(stream: anyio.abc.SocketStream) -> None:
    await stream.send(HALF)
    await anyio.sleep_forever()


@pytest.mark.parametrize("never", [silence, half, trickle], ids=["silent", "half", "trickle"])
async def test_the_time_out_is_of_the_whole_exchange(never: Answer) -> None:
    began_at = time.monotonic()
    with pytest.raises(NoAnswer, match=r"within 0.2 s") as caught:
        await answered(never, seconds=0.2)
    assert caught.value.was_silent
    assert time.monotonic() - began_at < 15


async def test_a_connection_that_was_left_in_the_middle_is_not_used_again() -> None:
    async with raw_server(silence, answer(CHAT)) as wire, server_at(wire.base_url) as server:
        with anyio.move_on_after(0.1):
            await server.send(request_of())
        await server.send(request_of())
        assert wire.connections == 2


LONG = b'"' + b"a" * 5000 + b'"'


def chunked(*pieces: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(LONG), LONG),
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(LONG[:900], LONG[900:]),
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + LONG,
        b"HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n5000\r\n" + LONG,
    ],
    ids=["length", "promise", "chunks", "until the end", "endless chunk"],
)
async def test_an_answer_that_is_too_large_ends_its_connection_alone(raw: bytes) -> None:
    async with raw_server(says(raw), answer(CHAT)) as wire, server_at(wire.base_url) as server:
        with pytest.raises(AnswerTooLarge, match="more than 1000 bytes"):
            await server.send(request_of(most=1000))
        await server.send(request_of())
        assert wire.connections == 2


@pytest.mark.parametrize("size", [1000, 1001])
async def test_how_large_an_answer_may_be(size: int) -> None:
    raw = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"a" * 400, b"a" * (size - 400))
    if size > 1000:
        with pytest.raises(AnswerTooLarge):
            await answered(says(raw), most=1000)
    else:
        assert len((await answered(says(raw), most=1000)).body) == size


async def test_an_answer_may_end_with_its_connection() -> None:
    told = await answered(cut(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{}"))
    assert told.body == b"{}"


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "deflate", "GZIP"])
async def test_a_body_that_is_compressed_all_the_same(encoding: str) -> None:
    raw = (zlib if encoding == "deflate" else gzip).compress(b"{}")
    assert (await answered(answer(raw=raw, headers={"Content-Encoding": encoding}))).body == b"{}"


async def test_a_compressed_body_is_measured_by_what_comes_of_it() -> None:
    bomb = gzip.compress(b"a" * 50_000_000)
    with pytest.raises(AnswerTooLarge):
        await answered(answer(raw=bomb, headers={"Content-Encoding": "gzip"}), most=1_000_000)


def raw_deflate(content: bytes) -> bytes:
    """Without the wrapping that `deflate` means."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(content) + packer.flush()


@pytest.mark.parametrize("size", [1, 2, 1000])
async def test_a_body_that_is_deflated_without_a_wrapping(size: int) -> None:
    """In blocks of a few bytes as well, of which the first tell nothing."""
    raw = raw_deflate(b"{}" * 100)
    blocks = [raw[at : at + size] for at in range(0, len(raw), size)]
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(block), block) for block in blocks)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert (await answered(says(head + chunks + b"0\r\n\r\n"))).body == b"{}" * 100


async def test_half_of_a_compressed_body_is_no_answer() -> None:
    half = gzip.compress(b"{}" * 100)[:-12]
    with pytest.raises(NoAnswer, match="compressed") as caught:
        await answered(answer(raw=half, headers={"Content-Encoding": "gzip"}))
    assert not caught.value.was_silent


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
@pytest.mark.parametrize(
    "raw", [b"{}", b"[1]", b"data: {}\n\n", gzip.compress(b"{}" * 100)[:15] + b"\xff" * 30]
)
async def test_what_is_not_compressed_as_it_says_is_an_answer_that_cannot_be_read(
    encoding: str, raw: bytes
) -> None:
    told = await answered(answer(raw=raw, status=203, headers={"Content-Encoding": encoding}))
    assert (told.status, told.body) == (203, b"")


async def test_a_body_of_nothing_is_compressed_as_it_says() -> None:
    headers = {"Content-Encoding": "gzip", "Retry-After": "7"}
    told = await answered(answer(raw=b"", status=503, headers=headers))
    assert (told.status, told.body, told.limits.retry_after) == (503, b"", 7.0)


async def test_a_large_request_arrives_whole() -> None:
    body = b'"' + b"b" * 3_000_000 + b'"'
    async with raw_server(answer(CHAT), answer(CHAT)) as wire, server_at(wire.base_url) as server:
        await server.send(request_of(body=body))
        await server.send(request_of(body=b"{}"))
    assert [len(received.body) for received in wire.received] == [len(body), 2]


async def test_a_refusal_before_the_whole_request_was_read_is_an_answer() -> None:
    async def refuse(stream: anyio.abc.SocketStream) -> None:
        await stream.receive(1000)
        await stream.send(b"HTTP/1.1 413 No\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
        await anyio.sleep(0.05)

    async with listening(refuse) as base_url, server_at(base_url) as server:
        told = await server.send(request_of(body=b" " * 200_000))
    assert told.status == 413


@pytest.mark.parametrize("more", [b'HTTP/1.1 200 So\r\nContent-Length: 8\r\n\r\n{"n": 9}', b'"}]}', b"\r\n"])
async def test_what_comes_after_an_answer_is_not_the_next_one(more: bytes) -> None:
    first = says(b'HTTP/1.1 200 So\r\nContent-Length: 8\r\n\r\n{"n": 1}' + more)
    async with raw_server(first, answer(raw=b'{"n": 2}')) as wire, server_at(wire.base_url) as server:
        told = [(await server.send(request_of())).body for _ in range(2)]
    assert told == [b'{"n": 1}', b'{"n": 2}']
    assert [received.connection for received in wire.received] == [1, 2]


async def drop_idle(stream: anyio.abc.SocketStream) -> None:
    """Close the connection as a request comes: what the end of a server's keep-alive looks like."""
    await stream.aclose()


async def test_the_end_of_a_servers_keep_alive_is_no_cut() -> None:
    async with (
        raw_server(answer(CHAT), drop_idle, answer({"n": 2})) as wire,
        server_at(wire.base_url) as server,
    ):
        await server.send(request_of())
        told = await server.send(request_of(body=b'{"n": 2}'))
    assert told.body == b'{"n":2}'
    assert [received.connection for received in wire.received] == [1, 1, 2]


async def test_what_is_cut_on_a_new_connection_as_well_is_cut() -> None:
    async with (
        raw_server(answer(CHAT), drop_idle, drop_idle, answer(CHAT)) as wire,
        server_at(wire.base_url) as server,
    ):
        await server.send(request_of())
        with pytest.raises(NoAnswer):
            await server.send(request_of())
    assert len(wire.received) == 3


async def test_a_request_that_ended_the_server_is_cut_and_not_unsent() -> None:
    """The server answers once, dies of the second request, and nobody listens any more."""
    died = anyio.Event()

    async def serve(stream: anyio.abc.SocketStream) -> None:
        await stream.receive()
        await answer(CHAT)(stream)
        await stream.receive()
        died.set()
        await stream.aclose()

    async def listen() -> None:
        with suppress(anyio.ClosedResourceError):
            while True:
                tasks.start_soon(serve, await listener.accept())

    listeners: Any = await anyio.create_tcp_listener(local_host="127.0.0.1")
    [listener] = listeners.listeners
    port = listener.extra(anyio.abc.SocketAttribute.local_port)
    async with anyio.create_task_group() as tasks, server_at(f"http://127.0.0.1:{port}/v1") as server:
        tasks.start_soon(listen)
        await server.send(request_of())
        await listener.aclose()
        with pytest.raises(NoAnswer) as caught:
            await server.send(request_of())
        assert died.is_set()
        assert not caught.value.was_silent
        with pytest.raises(ServerAway):
            await server.send(request_of())
        tasks.cancel_scope.cancel()


async def test_a_late_cut_of_a_used_connection_is_not_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("litebatch_asgi.providers.live.sending.RACE_SECONDS", 0.0)
    async with (
        raw_server(answer(CHAT), drop_idle, answer(CHAT)) as wire,
        server_at(wire.base_url) as server,
    ):
        await server.send(request_of())
        with pytest.raises(NoAnswer):
            await server.send(request_of())
    assert len(wire.received) == 2


async def test_closing_ends_what_is_under_way() -> None:
    ended: list[bool] = []

    async with raw_server(silence) as wire, server_at(wire.base_url) as server:

        async def send() -> None:
            with pytest.raises(NoAnswer) as caught:
                await server.send(request_of())
            ended.append(caught.value.was_silent)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(send)
            await wire.arrived.wait()
            await server.aclose()
        assert ended == [False]
        with pytest.raises(ServerAway):
            await server.send(request_of())


async def test_the_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with raw_server(answer(CHAT)) as wire:
        monkeypatch.setenv("http_proxy", wire.root)
        monkeypatch.setenv("no_proxy", "elsewhere.example")
        async with server_at("http://gpu.example:8000/v1") as server:
            assert (await server.send(request_of())).status == 200
    [received] = wire.received
    assert received.target == "http://gpu.example:8000/v1/chat/completions"
    assert received.headers["host"] == "gpu.example:8000"


async def test_no_proxy_leads_around_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert (await answered(answer(CHAT))).status == 200


async def test_no_message_shows_a_secret() -> None:
    raw = f"HTTP/1.1 200 {KEY}\r\nContent-Length: {KEY}\r\n\r\n".encode()
    with pytest.raises(NoAnswer) as caught:
        await answered(says(raw))
    assert KEY not in str(caught.value)
