"""A server of raw sockets: answers each request with the next line of a script and keeps what it received."""

from __future__ import annotations

import re
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from email.message import Message
from email.parser import BytesParser
from typing import Any, TypeAlias

import anyio
import anyio.abc
import msgspec
from anyio.streams.buffered import BufferedByteReceiveStream
from anyio.streams.tls import TLSListener

from litebatch_asgi.models import Deployment, Settings
from litebatch_asgi.provider import BatchSubmission, FileUpload
from litebatch_asgi.providers.openai import OpenAIAdapter

KEY = "sk-test-0123456789"


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """One request, as it came."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    connection: int
    """counted from 1"""


def parts_of(request: Received) -> list[Message]:
    """The parts of a form."""
    message = BytesParser().parsebytes(
        b"Content-Type: " + request.headers["content-type"].encode() + b"\r\n\r\n" + request.body
    )
    return [part for part in message.walk() if part is not message]


def field_names(request: Received) -> list[str]:
    """The names of a form's fields, in their order."""
    return re.findall(r' name="([^"]*)"', request.body.decode("latin-1"))


_GONE = (anyio.EndOfStream, anyio.BrokenResourceError, anyio.IncompleteRead, anyio.ClosedResourceError)

Answer: TypeAlias = Callable[[anyio.abc.SocketStream], Awaitable[None]]


class RawServer:
    """What a test asks of the server: its address, and the requests that came whole."""

    base_url: str
    """with `/v1`"""

    def __init__(self, answers: list[Answer]) -> None:
        self.received: list[Received] = []
        self.torn: list[bytes] = []
        """bodies of which the end never came"""
        self.connections = 0
        self.arrived = anyio.Event()
        """set when a whole request has come"""
        self._answers = answers

    @property
    def root(self) -> str:
        """The address without a path."""
        return self.base_url.removesuffix("/v1")

    def script(self, *answers: Answer) -> None:
        """Go on with these answers."""
        self._answers.extend(answers)

    async def serve(self, stream: anyio.abc.SocketStream) -> None:
        self.connections += 1
        incoming = BufferedByteReceiveStream(stream)
        try:
            while self._answers:
                self.received.append(await self._receive(incoming, self.connections))
                self.arrived.set()
                await self._answers.pop(0)(stream)
        except _GONE:
            return

    async def _receive(self, incoming: BufferedByteReceiveStream, connection: int) -> Received:
        head = (await incoming.receive_until(b"\r\n\r\n", 65_536)).decode("latin-1")
        first, *lines = head.split("\r\n")
        method, target, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        try:
            body = await incoming.receive_exactly(int(headers.get("content-length", "0")))
        except anyio.IncompleteRead:
            self.torn.append(incoming.buffer)
            raise
        return Received(method=method, target=target, headers=headers, body=body, connection=connection)


@asynccontextmanager
async def raw_server(*answers: Answer) -> AsyncGenerator[RawServer]:
    """A server that gives each of the answers once, in their order, over however many connections."""
    server = RawServer(list(answers))
    async with listening(server.serve) as server.base_url:
        yield server


@asynccontextmanager
async def listening(
    serve: Callable[[anyio.abc.SocketStream], Awaitable[None]], tls: ssl.SSLContext | None = None
) -> AsyncGenerator[str]:
    """The base URL of a server that hands each connection to `serve`."""
    plain = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = plain.extra(anyio.abc.SocketAttribute.local_port)
    listener: anyio.abc.Listener[Any] = plain
    if tls is not None:
        listener = TLSListener(plain, tls, standard_compatible=False)

    async def attended(stream: Any) -> None:
        async with stream:
            await serve(stream)

    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, attended)
        yield f"{'http' if tls is None else 'https'}://127.0.0.1:{port}/v1"
        tasks.cancel_scope.cancel()


def answer(
    content: object = None,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    raw: bytes | None = None,
) -> Answer:
    """A whole answer: `content` as JSON, or `raw` as it is."""
    body = msgspec.json.encode(content) if raw is None else raw
    lines = {"Content-Length": str(len(body)), **(headers or {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return says(f"HTTP/1.1 {status} So\r\n{head}\r\n".encode() + body)


def says(raw: bytes) -> Answer:
    """These bytes, and the connection stays open."""

    async def give(stream: anyio.abc.SocketStream) -> None:
        await stream.send(raw)

    return give


def cut(raw: bytes = b"") -> Answer:
    """These bytes, and then the connection is cut."""

    async def give(stream: anyio.abc.SocketStream) -> None:
        if raw:
            await stream.send(raw)
        await stream.aclose()

    return give


async def silence(stream: anyio.abc.SocketStream) -> None:
    """No answer, for ever."""
    await anyio.sleep_forever()


def refusal(
    status: int, code: str | None = None, message: str = "no", *, param: str | None = None, **headers: str
) -> Answer:
    """An error of OpenAI's form."""
    error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    return answer(
        {"error": error}, status=status, headers={k.replace("_", "-"): v for k, v in headers.items()}
    )


@asynccontextmanager
async def adapter_for(
    base_url: str, *, provider: str = "openai", seconds: float = 5.0, **settings: Any
) -> AsyncGenerator[OpenAIAdapter]:
    """An adapter, closed in the end; `seconds` is the provider's time-out."""
    deployment = Deployment(
        model_name="virtual",
        model=f"{provider}/upstream",
        api_base=base_url,
        api_key=KEY,
        organization="org-1",
    )
    chosen = Settings(provider_timeout_seconds=seconds, **settings)
    async with aclosing(OpenAIAdapter(deployment, chosen)) as adapter:
        yield adapter


async def blocks_of(*blocks: bytes) -> AsyncIterator[bytes]:
    for block in blocks:
        yield block


def upload_of(*blocks: bytes, size: int | None = None, expires: int | None = None) -> FileUpload:
    return FileUpload(
        filename="file-lb1-inst.jsonl",
        purpose="batch",
        size=sum(map(len, blocks)) if size is None else size,
        content=lambda: blocks_of(*blocks),
        expires_after_seconds=expires,
    )


def submission_of(*, timeout: float = 5.0) -> BatchSubmission:
    return BatchSubmission(
        input_file_id="file-1",
        endpoint="/v1/chat/completions",
        completion_window="24h",
        metadata={"litebatch_job": "job-1", "litebatch_installation": "inst"},
        timeout_seconds=timeout,
    )


FILE = {"id": "file-1", "object": "file", "bytes": 3, "created_at": 1_700_000_000, "filename": "a.jsonl"}
BATCH = {"id": "batch_1", "object": "batch", "status": "validating", "created_at": 1_700_000_000}
