"""Downloads: early errors are answers, late ones cut the connection, clients that leave end the reading."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime

import pytest
from starlette.types import Message, Receive, Scope, Send

from litebatch_asgi.errors import InternalError, Unavailable
from litebatch_asgi.models import File, FileKind
from litebatch_asgi.routes.content import FileContent
from litebatch_asgi.routes.respond import Respond
from litebatch_asgi.simulator import Fault
from tests.harness import Gateway, lines
from tests.http.sockets import Answer, head, raw_client, served

BLOCK = b"0123456789" * 10_000


def described(size: int, filename: str = "out.jsonl") -> File:
    """A file of so many bytes."""
    return File(
        id="file-lb1",
        owner="alice",
        created_by=None,
        kind=FileKind.OUTPUT,
        purpose="batch_output",
        filename=filename,
        bytes=size,
        created_at=datetime(2026, 9, 1, tzinfo=UTC),
    )


class Source:
    """Blocks that may end in an error or never, and that tell when they were closed."""

    def __init__(self, *blocks: bytes, error: Exception | None = None, endless: bool = False) -> None:
        self._blocks = blocks
        self._error = error
        self._endless = endless
        self.closed = asyncio.Event()

    async def __call__(self) -> AsyncGenerator[bytes]:
        """The blocks."""
        try:
            for block in self._blocks:
                yield block
            while self._endless:
                await asyncio.sleep(0)
                yield BLOCK
            if self._error is not None:
                raise self._error
        finally:
            self.closed.set()


async def download(source: Source, size: int) -> tuple[Answer, bytes]:
    """What a client of these blocks gets, and what came behind it until the connection closed."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        blocks = source()
        first = await anext(blocks, b"")
        await FileContent(described(size), first, blocks)(scope, receive, send)

    async with served(Respond(app)) as address, raw_client(address) as client:
        await client.send(head("GET", "/v1/files/file-lb1/content", connection="close"))
        return await client.answer(), await client.rest()


@pytest.mark.parametrize("blocks", [(), (b"a",), (b"a", b"", b"b"), (BLOCK, BLOCK, b"end")])
async def test_all_blocks_come(blocks: tuple[bytes, ...]) -> None:
    content = b"".join(blocks)
    source = Source(*blocks)
    answer, rest = await download(source, len(content))
    assert (answer.status, answer.body, rest) == (200, content, b"")
    assert source.closed.is_set()


@pytest.mark.parametrize(
    ("source", "size"),
    [
        (Source(BLOCK, error=Unavailable("The provider broke off.")), 2 * len(BLOCK)),
        (Source(BLOCK, error=RuntimeError("a defect")), 2 * len(BLOCK)),
        (Source(BLOCK), 2 * len(BLOCK)),
        (Source(), 1),
    ],
    ids=["broken off", "defect", "too short", "empty"],
)
async def test_a_break_in_the_middle_never_looks_like_the_end(source: Source, size: int) -> None:
    answer, rest = await download(source, size)
    assert answer.status == 200
    assert not answer.is_whole
    assert rest == b""
    assert source.closed.is_set()


async def test_too_much_is_cut_as_well() -> None:
    source = Source(BLOCK, BLOCK)
    answer, rest = await download(source, len(BLOCK))
    assert answer.body + rest in (b"", BLOCK)
    assert source.closed.is_set()


async def test_a_break_is_raised_as_it_was() -> None:
    async def send(message: Message) -> None:
        pass

    async def still_there() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    broken = Unavailable("The provider broke off.")
    blocks = Source(BLOCK, error=broken)()
    with pytest.raises(Unavailable) as caught:
        await FileContent(described(9), await anext(blocks), blocks)({}, still_there, send)
    assert caught.value is broken
    short = Source(BLOCK)()
    with pytest.raises(InternalError, match="100000 of 7 bytes"):
        await FileContent(described(7), await anext(short), short)({}, still_there, send)


async def test_a_client_that_leaves_ends_the_reading() -> None:
    source = Source(endless=True)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        blocks = source()
        await FileContent(described(10**12), await anext(blocks), blocks)(scope, receive, send)

    async with served(app) as address:
        async with raw_client(address) as client:
            await client.send(head("GET", "/"))
        await source.closed.wait()


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (Fault(call="stream_file", status=500, times=None), 503),
        (Fault(call="stream_file", status=404, times=None), 404),
        (Fault(call="stream_file", drop=True, times=None), 503),
    ],
)
async def test_a_provider_that_fails_at_once_is_an_answer(
    gateway: Gateway, fault: Fault, status: int
) -> None:
    made = await gateway.upload(lines(3))
    gateway.simulator.add_fault(fault)
    async with gateway.http() as http:
        answer = await http.get(f"/files/{made.id}/content")
    assert answer.status_code == status
    assert "127.0.0.1" not in answer.text
    assert answer.json()["error"]["message"]


async def test_a_provider_that_breaks_off_is_a_break(gateway: Gateway) -> None:
    content = lines(20_000)
    made = await gateway.upload(content)
    gateway.simulator.add_fault(Fault(call="stream_file", cut_after=1_000_000, times=None))
    async with raw_client(gateway.address) as client:
        await client.send(head("GET", f"/v1/files/{made.id}/content", authorization="Bearer alice"))
        answer = await client.answer()
        assert await client.rest() == b""
    assert answer.status == 200
    assert not answer.is_whole
    assert content.startswith(answer.body)


RESULTS = "batch_"
"""in the filename of results, and not of inputs"""


@pytest.mark.parametrize("count", [3, 2_000], ids=["one block", "several blocks"])
@pytest.mark.parametrize("newline", [True, False])
async def test_results_that_changed_at_their_provider_never_come_out_whole(
    gateway: Gateway, count: int, newline: bool
) -> None:
    for name in ("east", "west"):
        gateway.simulator.account(name).configure(final_newline=newline)
    file = await gateway.upload(lines(count))
    batch = await gateway.ended((await gateway.create(file.id)).id)
    content = await gateway.content(batch.output_file_id)
    assert content.count(b"\n") == count - (not newline)
    text = content.decode()
    for changed in (
        text.replace("assistant", "ASSISTANT"),
        text[:-1],
        text[:-1] + "x",
        "x" + text[1:],
    ):
        assert changed != text
        gateway.simulator.add_fault(Fault(call="stream_file", match=RESULTS, status=200, body=changed))
        async with raw_client(gateway.address) as client:
            path = f"/v1/files/{batch.output_file_id}/content"
            await client.send(head("GET", path, authorization="Bearer alice", connection="close"))
            answer = await client.answer()
        assert answer.status == 503 or not answer.is_whole
    assert await gateway.content(batch.output_file_id) == content


async def test_what_a_provider_appends_to_results_is_left_out(gateway: Gateway) -> None:
    file = await gateway.upload()
    batch = await gateway.ended((await gateway.create(file.id)).id)
    content = await gateway.content(batch.output_file_id)
    more = content.decode() + '\n{"custom_id": "more"}\n'
    gateway.simulator.add_fault(Fault(call="stream_file", match=RESULTS, status=200, body=more))
    assert await gateway.content(batch.output_file_id) == content
