"""`POST /batches`: the input file says whose the batch is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anyio
import pytest
from starlette.types import Message

from litebatch_asgi.middleware import Timeouts
from litebatch_asgi.routes.endpoint import MAX_JSON_BYTES
from tests.middleware.stage import (
    DISCONNECT,
    FILE_ID,
    Channel,
    Front,
    body_messages,
    http_scope,
    running_front,
)


def creation(file_id: object = FILE_ID, **more: Any) -> bytes:
    values = {"input_file_id": file_id, "endpoint": "/v1/chat/completions", "completion_window": "24h"}
    return json.dumps(values | more).encode()


UNMANAGED = {
    "a provider's id": creation("file-abc123"),
    "an id with more": creation(FILE_ID + "x"),
    "no id": creation(None),
    "an id that is no text": creation([FILE_ID]),
    "an id elsewhere": creation("file-abc123", metadata={"input_file_id": FILE_ID}),
    "no object": b"[]",
    "no json": f'{{"input_file_id": "{FILE_ID}"'.encode(),
    "deep json": b"[" * 100_000,
    "deep json in an object": b'{"a": ' + b"[" * 100_000,
    "utf-16": creation().decode().encode("utf-16"),
    "nothing": b"",
    "spaces": b"  \r\n ",
    "too large": creation("file-abc123", metadata={"a": "x" * MAX_JSON_BYTES}),
    "ours, and too large": creation(metadata={"a": "x" * MAX_JSON_BYTES}),
}


@pytest.mark.parametrize("size", [1000, 1 << 20])
@pytest.mark.parametrize("kind", UNMANAGED)
@pytest.mark.parametrize("path", ["/v1/batches", "/v1/batches/dry_run"])
async def test_what_is_not_managed_reaches_the_app_behind_unchanged(
    front: Front, kind: str, size: int, path: str
) -> None:
    scope = http_scope("POST", f"{path}?a=b&&c=%20")
    before = dict(scope)
    channel = Channel(*body_messages(UNMANAGED[kind], size))
    send = channel.send
    await front.app(scope, channel.receive, send)
    (seen,) = front.recorder.seen
    assert (seen.scope is scope, seen.send is send) == (True, True)
    assert scope == before
    assert (seen.body, seen.ends) == (UNMANAGED[kind], ["whole"])
    assert channel.is_inner


@pytest.mark.parametrize("size", [10, 1 << 20])
@pytest.mark.parametrize("path", ["/v1/batches", "/v1/batches/dry_run"])
async def test_what_is_managed_is_answered_here(front: Front, size: int, path: str) -> None:
    answer = await front.ask(http_scope("POST", path), *body_messages(creation(), size))
    assert (answer.status, answer.is_inner) == (404, False)
    assert FILE_ID.encode() in answer.sent[1]["body"]
    assert not front.recorder.seen


async def test_what_names_a_file_of_ours_and_is_wrong_otherwise_is_refused_here(front: Front) -> None:
    body = creation().replace(b"24h", b"\xff")
    answer = await front.ask(http_scope("POST", "/v1/batches"), *body_messages(body))
    assert (answer.status, answer.is_inner) == (400, False)


async def test_no_more_is_held_than_a_batch_could_have(front: Front) -> None:
    body = UNMANAGED["too large"]
    await front.ask(http_scope("POST", "/v1/batches"), *body_messages(body + b" " * 20_000, 1000))
    (seen,) = front.recorder.seen
    assert len(seen.messages) > 20


@pytest.mark.parametrize("pieces", [[], [b'{"input']])
async def test_a_client_that_leaves_is_seen_to_leave(front: Front, pieces: list[bytes]) -> None:
    messages: list[Message] = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    gone: Message = {"type": "http.disconnect", "why": "reset"}
    await front.ask(http_scope("POST", "/v1/batches"), *messages, gone)
    (seen,) = front.recorder.seen
    assert seen.messages == [*messages, gone]


async def test_a_body_that_does_not_come_is_passed_on_as_far_as_it_came(tmp_path: Path) -> None:
    first, last = body_messages(creation(), 100)[:2]
    messages = [first, last]
    waited = False

    async def receive() -> Message:
        nonlocal waited
        if len(messages) == 1 and not waited:
            waited = True
            await anyio.sleep_forever()
        return messages.pop(0)

    async with running_front(tmp_path, timeouts=Timeouts(json_seconds=0.01)) as front:
        await front.app(http_scope("POST", "/v1/batches"), receive, Channel().send)
    (seen,) = front.recorder.seen
    assert seen.messages == [first, last]


@pytest.mark.parametrize("body", [creation("file-abc123"), b""])
async def test_behind_the_body_comes_what_the_server_has_to_say(front: Front, body: bytes) -> None:
    channel = Channel(*body_messages(body))
    await front.app(http_scope("POST", "/v1/batches"), channel.receive, channel.send)
    assert await front.recorder.seen[0].receive() == DISCONNECT
