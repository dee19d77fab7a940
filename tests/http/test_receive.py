"""Uploads over real sockets: every way clients send them, and every way they go wrong."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import anyio
import pytest
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, Router

from litebatch_asgi.errors import RateLimited
from litebatch_asgi.models import Settings
from litebatch_asgi.models.limits import FileCap
from litebatch_asgi.routes.multipart import MAX_FORM_BYTES
from litebatch_asgi.routes.receive import receive_upload
from litebatch_asgi.routes.respond import Respond
from litebatch_asgi.routes.slots import WAITING_FOR_EACH, UploadSlots
from litebatch_asgi.spool import Spooler
from tests.http.forms import CONTENT_TYPE, field, file, form
from tests.http.open_files import open_in
from tests.http.recordings import RECORDED
from tests.http.sockets import Answer, RawClient, chunked, head, raw_client, served

LIMIT = 3_000_000
CONTENT = b'{"custom_id": "one"}\r\n' * 50_000
FILE_LAST = form(field("purpose", "batch"), file(CONTENT))
FILE_FIRST = form(file(CONTENT), field("purpose", "batch"))


class Receiver:
    """Answers an upload with what was received of it."""

    def __init__(self, spooler: Spooler, slots: int = 16, settings: Settings | None = None) -> None:
        self._spooler = spooler
        self._slots = UploadSlots(slots)
        self._settings = settings or Settings()
        self.begun = asyncio.Event()
        self.left: asyncio.Future[type[BaseException] | None] = asyncio.Future()

    async def upload(self, request: Request) -> Response:
        """Receive, and tell."""
        self.begun.set()
        try:
            with self._slots.taken("alice"):
                async with self._spooler.new() as spool:
                    received = await receive_upload(
                        request, spool, cap=FileCap(bytes=LIMIT), settings=self._settings
                    )
                    digest = hashlib.sha256()
                    await spool.scan(digest.update)
        except ClientDisconnect:
            self.left.set_result(ClientDisconnect)
            raise
        return JSONResponse(
            {"sha256": digest.hexdigest(), "filename": received.filename, "fields": received.fields}
        )


@pytest.fixture
def spooler(tmp_path: Path) -> Iterator[Spooler]:
    with ThreadPoolExecutor(2) as executor:
        yield Spooler(tmp_path, executor)


@asynccontextmanager
async def receiving(receiver: Receiver) -> AsyncGenerator[str]:
    """A server for it."""
    async with served(Respond(Router([Route("/v1/files", receiver.upload, methods=["POST"])]))) as address:
        yield address


@pytest.fixture
async def address(spooler: Spooler) -> AsyncGenerator[str]:
    async with receiving(Receiver(spooler)) as address:
        yield address


def upload(**headers: str | int) -> bytes:
    return head("POST", "/v1/files", content_type=CONTENT_TYPE, **headers)


async def received(client: RawClient, content: bytes = CONTENT) -> None:
    """Check that the next answer says that all of it came."""
    answer = await client.answer()
    told = answer.json()
    assert answer.status == 200, told
    assert told["fields"] == [["purpose", "batch"]]
    assert told["sha256"] == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("body", [FILE_LAST, FILE_FIRST])
async def test_the_order_does_not_matter(address: str, body: bytes) -> None:
    async with raw_client(address) as client:
        await client.send(upload(content_length=len(body)), body)
        await received(client)


@pytest.mark.parametrize("size", [1000, 70_001, 2_000_000])
async def test_the_length_need_not_be_known(address: str, size: int) -> None:
    chunks = [FILE_FIRST[start : start + size] for start in range(0, len(FILE_FIRST), size)]
    async with raw_client(address) as client:
        await client.send(upload(transfer_encoding="chunked"), *chunked(*chunks))
        await received(client)


async def test_a_client_may_be_slow(address: str) -> None:
    body = form(file(b"{}\n"), field("purpose", "batch"))
    async with raw_client(address) as client:
        await client.send(upload(content_length=len(body)), *(bytes([byte]) for byte in body))
        await received(client, b"{}\n")


async def test_uploads_follow_each_other_on_a_connection(address: str) -> None:
    async with raw_client(address) as client:
        for body in (FILE_LAST, FILE_FIRST):
            await client.send(upload(content_length=len(body)), body)
            await received(client)


@pytest.mark.parametrize("recording", sorted(RECORDED))
@pytest.mark.parametrize("pieces", [1, 7, 400])
async def test_what_real_clients_send(address: str, recording: str, pieces: int) -> None:
    raw = RECORDED[recording]
    step = len(raw) // pieces
    async with raw_client(address) as client:
        await client.send(*(raw[start : start + step] for start in range(0, len(raw), step)))
        told = (await client.answer()).json()
    names = "target_model_names[]" if "node" in recording else "target_model_names"
    expiry = "expires_after.{}" if "curl" in recording else "expires_after[{}]"
    assert told["fields"] == [
        ["purpose", "batch"],
        [expiry.format("anchor"), "created_at"],
        [expiry.format("seconds"), "86400"],
        [names, "gpt-4o-batch"],
    ]
    assert told["filename"] == "in.jsonl"
    lines = raw[raw.index(b'{"custom_id": "one"') :].partition(b"}]}}\n\r\n")[0] + b"}]}}\n"
    assert told["sha256"] == hashlib.sha256(lines).hexdigest()


async def refused(client: RawClient, status: int, param: str | None = None) -> Answer:
    answer = await client.answer()
    error = answer.json()["error"]
    assert (answer.status, error["param"]) == (status, param), error
    return answer


async def test_a_body_that_ends_too_early(address: str) -> None:
    short = FILE_FIRST[:-20]
    async with raw_client(address) as client:
        await client.send(upload(content_length=len(short)), short)
        await refused(client, 400)
    async with raw_client(address) as client:
        await client.send(upload(transfer_encoding="chunked"), *chunked(short))
        answer = await refused(client, 400)
    assert "closing boundary" in answer.json()["error"]["message"]


@pytest.mark.parametrize("expect", [{}, {"expect": "100-continue"}])
async def test_a_length_that_is_too_large_is_refused_before_the_body(
    address: str, expect: dict[str, str]
) -> None:
    async with raw_client(address) as client:
        await client.send(upload(content_length=LIMIT + MAX_FORM_BYTES + 1, **expect))
        answer = await refused(client, 413, "file")
    assert answer.json()["error"]["code"] == "file_too_large"
    assert answer.headers["x-should-retry"] == "false"


async def test_a_file_that_is_too_large_is_refused_while_it_arrives(address: str) -> None:
    start = FILE_FIRST[:200]
    async with raw_client(address) as client:
        await client.send(upload(transfer_encoding="chunked"))
        first, _ = chunked(start + bytes(LIMIT))
        await client.send(first)
        await refused(client, 413, "file")


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b"{}"),
        ("multipart/form-data", FILE_LAST),
        (CONTENT_TYPE, b"{}"),
        (CONTENT_TYPE, b""),
        (f"{CONTENT_TYPE}x", FILE_LAST),
    ],
)
async def test_what_is_no_form(address: str, content_type: str, body: bytes) -> None:
    async with raw_client(address) as client:
        await client.send(
            head("POST", "/v1/files", content_type=content_type, content_length=len(body)), body
        )
        await refused(client, 400)


@pytest.mark.parametrize("sent", [0, 100, len(FILE_LAST) // 2, len(FILE_LAST) - 1])
async def test_a_client_that_leaves_is_cleaned_up_after(spooler: Spooler, tmp_path: Path, sent: int) -> None:
    receiver = Receiver(spooler)
    async with receiving(receiver) as address:
        async with raw_client(address) as client:
            await client.send(upload(content_length=len(FILE_LAST)), FILE_LAST[:sent])
            await receiver.begun.wait()
            client.cut()
        assert await receiver.left is ClientDisconnect
        async with raw_client(address) as client:
            await client.send(upload(content_length=len(FILE_LAST)), FILE_LAST)
            await received(client)
    assert open_in(tmp_path) == []


async def test_a_client_that_falls_silent_loses_its_slot(spooler: Spooler) -> None:
    settings = Settings(upload_grace_seconds=0.05)
    async with receiving(Receiver(spooler, slots=1, settings=settings)) as address:
        async with raw_client(address) as client:
            await client.send(upload(content_length=len(FILE_LAST)), FILE_LAST[:1000])
            answer = await refused(client, 408)
            assert answer.json()["error"]["code"] == "request_timeout"
            assert "x-should-retry" not in answer.headers
        async with raw_client(address) as client:
            await client.send(upload(content_length=len(FILE_LAST)), FILE_LAST)
            await received(client)


async def test_only_so_many_uploads_at_a_time(spooler: Spooler) -> None:
    receiver = Receiver(spooler, slots=1)
    async with receiving(receiver) as address, raw_client(address) as first, raw_client(address) as second:
        await first.send(upload(content_length=len(FILE_LAST)), FILE_LAST[:1000])
        await receiver.begun.wait()
        await second.send(upload(content_length=len(FILE_LAST)))
        answer = await refused(second, 429)
        assert answer.headers["retry-after"] == "1"
        await first.send(FILE_LAST[1000:])
        await received(first)
        await second.send(FILE_LAST)  # the body of what was refused, which the server reads and forgets
        await second.send(upload(content_length=len(FILE_LAST)), FILE_LAST)
        await received(second)


async def test_only_so_many_wait_for_a_slot() -> None:
    """Whoever comes then is refused at once."""
    slots = UploadSlots(1)

    async def enter(owner: str, *, seconds: float) -> None:
        async with slots.waited_for(owner, seconds):
            pass

    async with anyio.create_task_group() as group:
        with slots.taken("alice"):
            for _ in range(WAITING_FOR_EACH):
                group.start_soon(partial(enter, "alice", seconds=30))
            await anyio.wait_all_tasks_blocked()
            with anyio.fail_after(5), pytest.raises(RateLimited):
                await enter("bob", seconds=30)
    with slots.taken("alice"), pytest.raises(RateLimited):
        await enter("bob", seconds=0)
    await enter("bob", seconds=0)


def test_a_slot_is_given_back_whatever_happens() -> None:
    slots = UploadSlots(1)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), slots.taken("alice"):
            _ = 1 // 0
    with slots.taken("alice"), pytest.raises(RateLimited), slots.taken("alice"):
        pass
