"""Uploads: whose they are, and that the app behind gets its own byte for byte."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from starlette.types import Message, Receive, Scope, Send

from litebatch_asgi.middleware import Timeouts
from litebatch_asgi.middleware.matching import UploadMatcher
from litebatch_asgi.routes.multipart import MAX_FORM_BYTES
from tests.harness import MODEL, QUICK, lines
from tests.http.forms import BOUNDARY, field, file, form, part
from tests.http.open_files import open_in
from tests.middleware.stage import (
    ALICE,
    DISCONNECT,
    MULTIPART,
    Channel,
    Front,
    Recorder,
    body_messages,
    http_scope,
    running_front,
)

PURPOSE = field("purpose", "batch")
OURS = file(lines())
THEIRS = file(lines(model="gpt-4o"))

UNMANAGED = {
    "purpose first": form(PURPOSE, THEIRS),
    "file first": form(THEIRS, PURPOSE),
    "purpose between": form(field("a", "b"), PURPOSE, THEIRS, field("c", "d")),
    "another purpose": form(field("purpose", "assistants"), file(b"\x00\xff" * 1000, filename="a.pdf")),
    "another purpose, file first": form(OURS, field("purpose", "fine-tune")),
    "no purpose": form(OURS),
    "a purpose as a file": form(OURS, part('form-data; name="purpose"; filename="p"', b"batch")),
    "empty names": form(PURPOSE, THEIRS, field("target_model_names", " , ")),
    "other names": form(PURPOSE, THEIRS, field("target_models", MODEL)),
    "no file": form(PURPOSE),
    "no parts": form(),
    "an empty file": form(PURPOSE, file(b"")),
    "blank lines": form(PURPOSE, file(b"\n \r\n\n")),
    "no json": form(PURPOSE, file(b"hello\n" + lines())),
    "deep json": form(PURPOSE, file(b"[" * 100_000 + b"\n" + lines())),
    "deep json in a line": form(PURPOSE, file(b'{"a": ' + b"[" * 100_000 + b"\n" + lines())),
    "a line without a model": form(PURPOSE, file(b'{"body": {}}\n' + lines())),
    "a model that is no text": form(PURPOSE, file(b'{"body": {"model": 7}}')),
    "a model outside the body": form(PURPOSE, file(b'{"model": "%b", "body": {}}' % MODEL.encode())),
    "two files": form(THEIRS, THEIRS, PURPOSE),
    "a file by another name": form(PURPOSE, file(lines(), name="document")),
    "a file that is a field": form(PURPOSE, field("file", lines())),
    "cut off in the file": form(PURPOSE, THEIRS)[:-400],
    "cut off in the boundary": form(PURPOSE, THEIRS)[:-6],
    "another boundary": form(PURPOSE, OURS).replace(BOUNDARY, b"edge"),
    "something before": b"preamble\r\n" + form(PURPOSE, THEIRS),
    "something behind": form(PURPOSE, THEIRS) + b"epilogue",
    "no form": lines(),
    "nothing": b"",
    "one byte": b"-",
    "larger than a block": form(PURPOSE, file(b"x" * 700_000)),
}
MANAGED = {
    "purpose first": form(PURPOSE, OURS),
    "file first": form(OURS, PURPOSE),
    "names first": form(field("target_model_names", "other"), PURPOSE, THEIRS),
    "names last": form(THEIRS, PURPOSE, field("target_model_names", "other")),
    "names in brackets": form(THEIRS, PURPOSE, field("target_model_names[]", "other")),
    "names and another purpose": form(field("purpose", "x"), THEIRS, field("target_model_names", MODEL)),
    "blank lines": form(PURPOSE, file(b"\n \r\n" + lines())),
    "a byte order mark": form(PURPOSE, file(b"\xef\xbb\xbf" + lines())),
    "another model below": form(PURPOSE, file(lines(1) + b"\n" + lines(model="gpt-4o"))),
    "nothing right but the model": form(PURPOSE, file(b'{"body": {"model": "%b"}}' % MODEL.encode())),
    "names, then nothing right": form(field("target_model_names", MODEL)) + b"epilogue",
    "names, then two files": form(field("target_model_names", MODEL), THEIRS, THEIRS),
    "names, then cut off": form(field("target_model_names", MODEL), THEIRS)[:-30],
    "one long line": form(PURPOSE, file(lines(1, user="x" * 700_000))),
}


@pytest.mark.parametrize("size", [97, 1 << 20])
@pytest.mark.parametrize("kind", UNMANAGED)
async def test_what_is_not_managed_reaches_the_app_behind_unchanged(
    front: Front, kind: str, size: int
) -> None:
    body = UNMANAGED[kind]
    scope = http_scope("POST", "/v1/files?a=b&&c=%20", MULTIPART)
    before = dict(scope)
    channel = Channel(*body_messages(body, size))
    send = channel.send
    await front.app(scope, channel.receive, send)
    (seen,) = front.recorder.seen
    assert (seen.scope is scope, seen.send is send) == (True, True)
    assert scope == before
    assert (seen.body == body, seen.ends) == (True, ["whole"])
    assert channel.is_inner


@pytest.mark.parametrize("size", [97, 1 << 20])
@pytest.mark.parametrize("kind", MANAGED)
async def test_what_is_managed_is_answered_here(front: Front, kind: str, size: int) -> None:
    answer = await front.upload(MANAGED[kind], size=size)
    assert not answer.is_inner
    assert not front.recorder.seen
    assert answer.status in (400, 503)  # 503: the one deployment does not answer


@pytest.mark.parametrize(
    ("query", "header", "is_managed"),
    [
        (f"?target_model_names={MODEL}", None, True),
        ("?target_model_names%5B%5D=x", None, True),
        ("", MODEL, True),
        ("", "a, b", True),
        ("?target_model_names=", None, False),
        ("", "", False),
        ("?managed=false", None, False),
    ],
)
async def test_header_and_query_decide_before_anything_is_read(
    front: Front, query: str, header: str | None, is_managed: bool
) -> None:
    headers = [*MULTIPART]
    if header is not None:
        headers.append((b"x-litebatch-target-model-names", header.encode()))
    left_over = body_messages(form(PURPOSE, THEIRS))
    too_large = (b"content-length", b"%d" % 10**10)
    answer = await front.ask(http_scope("POST", f"/v1/files{query}", [*headers, too_large]), *left_over)
    assert answer.is_inner is not is_managed
    assert answer.status == (413 if is_managed else 200)


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        b"application/json",
        b"multipart/form-data",
        b"multipart/mixed; boundary=frontier",
        b"multipart/form-data; boundary=" + b"x" * 1000,
    ],
)
async def test_what_is_no_form_is_not_received(front: Front, content_type: bytes | None) -> None:
    headers = [*ALICE, (b"content-type", content_type)] if content_type else ALICE
    channel = Channel(*body_messages(form(PURPOSE, OURS)))
    receive = channel.receive
    await front.app(http_scope("POST", "/v1/files", headers), receive, channel.send)
    (seen,) = front.recorder.seen
    assert seen.receive is receive


async def test_a_client_that_leaves_is_seen_to_leave(front: Front) -> None:
    first, *_ = body_messages(form(PURPOSE, THEIRS), 100)
    gone: Message = {"type": "http.disconnect", "why": "reset"}
    channel = await front.ask(http_scope("POST", "/v1/files", MULTIPART), first, gone)
    (seen,) = front.recorder.seen
    assert seen.messages == [first, gone]
    assert channel.is_inner
    await front.ask(http_scope("POST", "/v1/files", MULTIPART), DISCONNECT)
    assert front.recorder.seen[1].messages == [DISCONNECT]


async def test_behind_the_body_comes_what_the_server_has_to_say(tmp_path: Path) -> None:
    left = asyncio.Event()

    async def waiting(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        left.set()

    async with running_front(tmp_path, inner=waiting) as front:
        await front.upload(UNMANAGED["purpose first"])
    assert left.is_set()


async def test_messages_may_lack_what_has_a_default(front: Front) -> None:
    messages: list[Message] = [{"type": "http.request", "more_body": True}, {"type": "http.request"}]
    await front.ask(http_scope("POST", "/v1/files", MULTIPART), *messages)
    (seen,) = front.recorder.seen
    assert seen.messages == [{"type": "http.request", "body": b"", "more_body": False}]


async def test_a_file_that_could_not_be_managed_is_streamed_through(tmp_path: Path) -> None:
    """Only what has to be held is: the rest comes from the server as it arrives."""
    settings = replace(QUICK, max_file_bytes=100_000)
    body = form(file(b"x" * (MAX_FORM_BYTES + 1_000_000)), PURPOSE)
    async with running_front(tmp_path, settings=settings) as front:
        channel = await front.upload(body, size=10_000)
    (seen,) = front.recorder.seen
    assert channel.is_inner
    assert (seen.body == body, seen.ends) == (True, ["whole"])
    assert len(seen.messages) > 80


async def test_a_file_that_is_too_large_and_managed_is_refused(tmp_path: Path) -> None:
    settings = replace(QUICK, max_file_bytes=100_000)
    async with running_front(tmp_path, settings=settings) as front:
        assert (await front.upload(form(PURPOSE, file(lines(1000))))).status == 413


async def test_an_upload_that_stalls_is_passed_on_as_far_as_it_came(tmp_path: Path) -> None:
    first, second = body_messages(form(PURPOSE, THEIRS), 400)[:2]
    begun, go_on = asyncio.Event(), asyncio.Event()
    messages = [first, {**second, "more_body": False}]

    async def receive() -> Message:
        if len(messages) == 1:
            await go_on.wait()
        return messages.pop(0)

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        assert await receive() == first
        begun.set()
        assert await receive() == {**second, "more_body": False}

    settings = replace(QUICK, upload_grace_seconds=0.01)
    async with running_front(tmp_path, inner=inner, settings=settings) as front:
        scope, send = http_scope("POST", "/v1/files", MULTIPART), Channel().send
        async with anyio.create_task_group() as group:
            group.start_soon(front.app, scope, receive, send)
            await begun.wait()
            go_on.set()
    assert not messages


async def test_an_upload_that_trickles_is_passed_on_and_keeps_nothing(tmp_path: Path) -> None:
    """Its bytes go to the app behind, as it is not ours to refuse; slot and spool are free for others."""
    settings = replace(
        QUICK, max_concurrent_uploads=1, upload_grace_seconds=0.1, min_upload_bytes_per_second=1e9
    )
    beginning = form(PURPOSE, file(b"x" * 2_000_000))[:-100]
    sent = bytearray()

    async def receive() -> Message:
        piece = b"x" if sent else beginning
        if sent:
            await asyncio.sleep(0.005)
        sent.extend(piece)
        return {"type": "http.request", "body": piece, "more_body": True}

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["query_string"]:
            await Recorder()(scope, receive, send)
            return
        got, kept = bytearray(), len(sent)
        assert kept > len(beginning)
        assert await asyncio.to_thread(open_in, tmp_path / "spool")
        while len(got) <= kept:
            got.extend((await receive())["body"])
        assert got == sent
        assert await asyncio.to_thread(open_in, tmp_path / "spool") == []
        assert (await front.upload(UNMANAGED["no form"], "/v1/files?another")).is_inner

    timeouts = Timeouts(slot_seconds=0.05)
    async with running_front(tmp_path, settings=settings, timeouts=timeouts, inner=inner) as front:
        await front.app(http_scope("POST", "/v1/files", MULTIPART), receive, Channel().send)


async def test_nobody_has_all_that_are_looked_at(tmp_path: Path) -> None:
    settings = replace(QUICK, max_concurrent_uploads=4)
    go_on = asyncio.Event()
    first, second = body_messages(UNMANAGED["purpose first"], 400)[:2]

    def slow() -> Receive:
        messages = [first, {**second, "more_body": False}]

        async def receive() -> Message:
            if len(messages) == 1:
                await go_on.wait()
            return messages.pop(0)

        return receive

    def multipart(owner: bytes) -> Scope:
        return http_scope("POST", "/v1/files", [(b"authorization", b"Bearer " + owner), MULTIPART[1]])

    async def status_for(owner: bytes) -> int:
        return (await front.ask(multipart(owner), *body_messages(UNMANAGED["purpose first"]))).status

    async with running_front(tmp_path, settings=settings, timeouts=Timeouts(slot_seconds=0.05)) as front:
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(front.app, multipart(b"alice"), slow(), Channel().send)
            await anyio.wait_all_tasks_blocked()
            assert (await status_for(b"alice"), await status_for(b"bob")) == (429, 200)
            go_on.set()
        assert await status_for(b"alice") == 200


async def test_the_app_behind_may_ask_whether_the_client_is_there(tmp_path: Path) -> None:
    """Starlette's `is_disconnected` cancels `receive` at once; nothing of the body may be lost by that."""
    body = form(PURPOSE, file(bytes(range(256)) * 4000))
    got = bytearray()

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        more = True
        while more:
            message: Message | None = None
            with anyio.CancelScope() as hurry:
                hurry.cancel()
                message = await receive()
            if message is None:
                message = await receive()
            got.extend(message["body"])
            more = message["more_body"]

    async with running_front(tmp_path, inner=inner) as front:
        await front.upload(body)
    assert got == body


@pytest.mark.parametrize("reads", [0, 1, 2])
async def test_an_app_behind_that_does_not_read_all_leaves_nothing_open(tmp_path: Path, reads: int) -> None:
    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        for _ in range(reads):
            await receive()
        assert await asyncio.to_thread(open_in, tmp_path / "spool")
        with anyio.CancelScope() as hurry:
            hurry.cancel()
            await receive()
        raise ZeroDivisionError

    async with running_front(tmp_path, inner=inner) as front:
        with pytest.raises(ZeroDivisionError):
            await front.upload(form(PURPOSE, file(b"x" * 900_000)))
        assert open_in(tmp_path / "spool") == []


async def test_only_so_many_are_looked_at_at_once(tmp_path: Path) -> None:
    """One more waits for its slot, and the app behind may take its time without holding one."""
    settings = replace(QUICK, max_concurrent_uploads=1)
    scope = http_scope("POST", "/v1/files", MULTIPART)
    first, second = body_messages(UNMANAGED["purpose first"], 400)[:2]
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> Message:
        if not begun.is_set():
            begun.set()
            return first
        await go_on.wait()
        return {**second, "more_body": False}

    async with running_front(tmp_path, settings=settings, timeouts=Timeouts(slot_seconds=0.05)) as front:
        async with anyio.create_task_group() as group:
            group.start_soon(front.app, scope, slow, Channel().send)
            await begun.wait()
            refused = await front.upload(UNMANAGED["purpose first"])
            assert (refused.status, refused.is_inner) == (429, False)
            assert dict(refused.sent[0]["headers"])[b"retry-after"] == b"1"
            assert (await front.ask(http_scope("POST", "/v1/files"))).is_inner
            go_on.set()
        assert (await front.upload(UNMANAGED["purpose first"])).is_inner


async def test_a_slot_is_waited_for(tmp_path: Path) -> None:
    settings = replace(QUICK, max_concurrent_uploads=1)
    async with running_front(tmp_path, settings=settings) as front:
        await asyncio.gather(*(front.upload(UNMANAGED["purpose first"]) for _ in range(5)))
        assert len(front.recorder.seen) == 5


async def test_a_disk_that_takes_no_more_is_told(tmp_path: Path) -> None:
    async with running_front(tmp_path) as front:
        (tmp_path / "spool").rmdir()
        answer = await front.upload(UNMANAGED["purpose first"])
    assert (answer.status, answer.is_inner) == (503, False)


@pytest.mark.parametrize(
    ("model", "is_managed"), [("openai/gpt-4o", True), ("openai/*", True), ("azure/gpt-4o", False)]
)
async def test_a_wildcard_is_a_virtual_model(tmp_path: Path, model: str, is_managed: bool) -> None:
    async with running_front(tmp_path, models=["openai/*"]) as front:
        answer = await front.upload(form(PURPOSE, file(lines(model=model))))
    assert answer.is_inner is not is_managed


async def test_a_model_the_caller_may_not_use_is_still_a_virtual_model(front: Front) -> None:
    headers = [(b"authorization", b"Bearer alice:other"), *MULTIPART[1:]]
    answer = await front.ask(http_scope("POST", "/v1/files", headers), *body_messages(form(PURPOSE, OURS)))
    assert (answer.status, answer.is_inner) == (403, False)


@given(st.sampled_from([*UNMANAGED.values(), *MANAGED.values()]), st.data())
def test_how_the_body_is_cut_decides_nothing(body: bytes, draw: st.DataObject) -> None:
    cuts = sorted({0, *draw.draw(st.lists(st.integers(0, len(body)), max_size=5)), len(body)})
    pieces = [body[start:end] for start, end in pairwise(cuts)]
    assert told(pieces) is (body in MANAGED.values())


def is_ours(model: str, providers: list[str]) -> bool:
    return model == MODEL and not providers


def told(pieces: list[bytes]) -> bool:
    """What the matcher says in the end."""
    matcher = UploadMatcher(BOUNDARY, max_line_bytes=1 << 20, is_served=is_ours)
    for piece in pieces:
        answer = matcher.feed(piece)
        if answer is not None:
            return answer
    return matcher.end()


def test_a_first_line_that_is_too_long_tells_nothing() -> None:
    matcher = UploadMatcher(BOUNDARY, max_line_bytes=1000, is_served=is_ours)
    assert matcher.feed(form(PURPOSE, file(lines(1, user="x" * 1000) + b"\n" + lines()))) is None
    assert matcher.end() is False


def test_a_match_is_told_as_soon_as_they_are_seen() -> None:
    matcher = UploadMatcher(BOUNDARY, max_line_bytes=1000, is_served=is_ours)
    before, line, _ = form(PURPOSE, OURS).partition(lines(1))
    assert matcher.feed(before) is None
    assert matcher.feed(line) is None
    assert matcher.feed(b"\n") is True
