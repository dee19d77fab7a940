"""Clients that cost little themselves: files over a blocking socket, small requests over many."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from functools import partial
from http.client import HTTPConnection, HTTPResponse
from itertools import cycle
from typing import Any, cast

import msgspec

from litebatch_asgi.server.listen import loop_factory

_BOUNDARY = "benchmark-7f3a91d04c"
_FORM_HEAD = (
    f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
    f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="requests.jsonl"\r\n'
    "Content-Type: application/jsonl\r\n\r\n"
).encode()
_PART_HEAD = (
    f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="data"; filename="upload"\r\n\r\n'
).encode()
_FORM_TAIL = f"\r\n--{_BOUNDARY}--\r\n".encode()
AUTHORIZATION = "Bearer any"
"""of whoever asks a gateway without virtual keys"""
_TIMEOUT_SECONDS = 300.0

Address = tuple[str, int]


def upload(address: Address, blocks: Iterable[bytes], size: int) -> dict[str, Any]:
    """Send a file of `size` bytes to `POST /v1/files`; the answer. Raises `RuntimeError` if it is refused."""
    return _post_form(address, "/v1/files", _FORM_HEAD, blocks, size)


def upload_in_parts(address: Address, blocks: Iterable[bytes], size: int, part_bytes: int) -> dict[str, Any]:
    """The same by `POST /v1/uploads`, in parts of about so many bytes, one after the other; the file."""
    asked = {"filename": "requests.jsonl", "purpose": "batch", "bytes": size, "mime_type": "text/jsonl"}
    at = f"/v1/uploads/{post_json(address, '/v1/uploads', asked)['id']}"
    ids: list[str] = []
    part: list[bytes] = []

    def send() -> None:
        made = _post_form(address, f"{at}/parts", _PART_HEAD, part, sum(map(len, part)))
        ids.append(made["id"])
        part.clear()

    for block in blocks:
        if sum(map(len, part)) + len(block) > part_bytes:
            send()
        part.append(block)
    send()
    file: dict[str, Any] = post_json(address, f"{at}/complete", {"part_ids": ids})["file"]
    return file


def _post_form(
    address: Address, path: str, head: bytes, blocks: Iterable[bytes], size: int
) -> dict[str, Any]:
    headers = {
        "Authorization": AUTHORIZATION,
        "Content-Type": f"multipart/form-data; boundary={_BOUNDARY}",
        "Content-Length": str(len(head) + size + len(_FORM_TAIL)),
    }
    with closing(HTTPConnection(*address, timeout=_TIMEOUT_SECONDS)) as connection:
        connection.request("POST", path, _form(head, blocks), headers)
        answer: dict[str, Any] = msgspec.json.decode(_accepted(connection).read())
        return answer


def download(address: Address, path: str, block_bytes: int = 1 << 20) -> Iterator[memoryview]:
    """What `GET` of a path answers, in blocks that hold until the next one. Raises `RuntimeError`."""
    buffer = memoryview(bytearray(block_bytes))
    with closing(HTTPConnection(*address, timeout=_TIMEOUT_SECONDS)) as connection:
        connection.request("GET", path, headers={"Authorization": AUTHORIZATION})
        response = _accepted(connection)
        while taken := response.readinto(buffer):
            yield buffer[:taken]


def get_json(address: Address, path: str) -> Any:
    """The JSON that `GET` of a path answers. Raises `RuntimeError`."""
    return msgspec.json.decode(b"".join(map(bytes, download(address, path))))


def post_json(address: Address, path: str, body: object) -> Any:
    """The JSON that `POST` of a JSON body answers. Raises `RuntimeError`."""
    with closing(HTTPConnection(*address, timeout=_TIMEOUT_SECONDS)) as connection:
        headers = {"Authorization": AUTHORIZATION, "Content-Type": "application/json"}
        connection.request("POST", path, msgspec.json.encode(body), headers)
        return msgspec.json.decode(_accepted(connection).read())


def milliseconds(address: Address, path: str, times: int, key: str) -> list[float]:
    """How long each of so many `GET`s of a path takes, one after the other over one connection, as a key.

    Raises `RuntimeError` for an answer other than 200.
    """
    took: list[float] = []
    with closing(HTTPConnection(*address, timeout=_TIMEOUT_SECONDS)) as connection:
        connection.connect()
        for _ in range(times):
            began = time.perf_counter()
            connection.request("GET", path, headers={"Authorization": f"Bearer {key}"})
            _accepted(connection).read()
            took.append(1000 * (time.perf_counter() - began))
    return took


def requests_per_second(
    address: Address, paths: Sequence[str], *, body: object = None, connections: int = 16, seconds: float
) -> float:
    """How often `GET`s of these paths, in turn, are answered over so many connections that are kept alive.

    With a `body`, which goes as JSON, they are `POST`s. Raises `RuntimeError` for an answer other than 200.
    """
    method, sent, about = "GET", b"", ""
    if body is not None:
        method, sent = "POST", msgspec.json.encode(body)
        about = f"Content-Type: application/json\r\nContent-Length: {len(sent)}\r\n"
    head = f"HTTP/1.1\r\nHost: localhost\r\nAuthorization: {AUTHORIZATION}\r\n{about}\r\n"
    requests = [f"{method} {path} {head}".encode() + sent for path in paths]
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(_load(address, requests, connections, seconds))


def _form(head: bytes, blocks: Iterable[bytes]) -> Iterator[bytes]:
    yield head
    yield from blocks
    yield _FORM_TAIL


def _accepted(connection: HTTPConnection) -> HTTPResponse:
    response = connection.getresponse()
    if response.status != 200:
        raise RuntimeError(f"{response.status}: {response.read(2000)!r}")
    return response


async def _load(address: Address, requests: Sequence[bytes], connections: int, seconds: float) -> float:
    loop = asyncio.get_running_loop()
    clients: list[_Client] = []
    for number in range(connections):
        first = number * len(requests) // connections
        own = cycle([*requests[first:], *requests[:first]])
        _, client = await loop.create_connection(partial(_Client, own), *address)
        clients.append(client)
    started = time.perf_counter()
    for client in clients:
        client.start()
    await asyncio.sleep(seconds)
    answered = sum(client.answered for client in clients)
    took = time.perf_counter() - started
    for client in clients:
        client.stop()
    await asyncio.gather(*(client.closed for client in clients))
    return answered / took


class _Client(asyncio.Protocol):
    """One connection: a request, its answer, the next request."""

    def __init__(self, requests: Iterator[bytes]) -> None:
        self._requests = requests
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._stopped = False
        self.answered = 0
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def start(self) -> None:
        assert self._transport is not None
        self._transport.write(next(self._requests))

    def stop(self) -> None:
        assert self._transport is not None
        self._stopped = True
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head = self._received.find(b"\r\n\r\n") + 4
        if head < 4:
            return
        at = self._received.index(b"content-length: ") + 16
        length = int(self._received[at : self._received.index(b"\r\n", at)])
        if len(self._received) < head + length:
            return
        if not self._received.startswith(b"HTTP/1.1 200 "):
            self._end(RuntimeError(repr(self._received[:2000])))
            return
        self._received = b""
        self.answered += 1
        self.start()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(None if self._stopped else RuntimeError(f"the server closed the connection: {exc!r}"))

    def _end(self, error: Exception | None) -> None:
        if self.closed.done():
            return
        if error is None:
            self.closed.set_result(None)
        else:
            self.closed.set_exception(error)
