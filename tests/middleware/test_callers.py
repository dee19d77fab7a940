"""The hook: whom it is asked for, how often, and what becomes of what it says."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.types import Message

from litebatch_asgi.errors import RateLimited
from litebatch_asgi.models import Principal
from tests.harness import MODEL, lines
from tests.http.forms import field, file, form
from tests.middleware.stage import (
    BATCH_ID,
    FILE_ID,
    MULTIPART,
    Channel,
    Front,
    body_messages,
    http_scope,
    litebatch,
    running_front,
)

UPLOAD = form(field("purpose", "batch"), file(lines()))
NEW_BATCH = b'{"input_file_id": "%b"}' % FILE_ID.encode()
OPEN = [
    http_scope("GET", "/v1/files"),
    http_scope("GET", "/v1/batches"),
    http_scope("POST", "/v1/files", MULTIPART),
    http_scope("POST", f"/v1/files?target_model_names={MODEL}", MULTIPART),
]
OURS = [
    http_scope("GET", f"/v1/files/{FILE_ID}"),
    http_scope("DELETE", f"/v1/files/{FILE_ID}"),
    http_scope("GET", f"/v1/files/{FILE_ID}/content"),
    http_scope("GET", f"/v1/batches/{BATCH_ID}"),
    http_scope("POST", f"/v1/batches/{BATCH_ID}/cancel"),
    http_scope("POST", "/v1/batches"),
]


class Asked:
    """An authenticator that always says the same, and notes what it was asked for."""

    def __init__(self, says: Principal | Exception | None) -> None:
        self._says = says
        self.paths: list[str] = []

    async def __call__(self, connection: HTTPConnection, /) -> Principal | None:
        self.paths.append(connection.url.path)
        connection.state.seen = True
        if isinstance(self._says, Exception):
            raise self._says
        return self._says


@pytest.mark.parametrize("scope", OPEN, ids=lambda scope: f"{scope['method']} {scope['path']}")
async def test_whom_the_hook_does_not_know_goes_straight_through(
    tmp_path: Path, scope: dict[str, object]
) -> None:
    asked = Asked(None)
    async with running_front(tmp_path, asked) as front:
        channel = Channel(*body_messages(UPLOAD))
        receive, send = channel.receive, channel.send
        await front.app(scope, receive, send)
    (seen,) = front.recorder.seen
    assert (seen.scope is scope, seen.receive is receive, seen.send is send) == (True, True, True)
    assert len(asked.paths) == 1


@pytest.mark.parametrize("scope", OURS, ids=lambda scope: f"{scope['method']} {scope['path']}")
async def test_an_id_of_ours_needs_a_caller(tmp_path: Path, scope: dict[str, object]) -> None:
    asked = Asked(None)
    async with running_front(tmp_path, asked) as front:
        answer = await front.ask(scope, *body_messages(NEW_BATCH))
    assert (answer.status, answer.is_inner) == (401, False)
    assert len(asked.paths) == 1


@pytest.mark.parametrize("scope", [*OPEN, *OURS], ids=lambda scope: f"{scope['method']} {scope['path']}")
async def test_the_hook_is_asked_once_and_as_when_mounted(tmp_path: Path, scope: dict[str, object]) -> None:
    asked = Asked(Principal(owner="alice"))
    async with running_front(tmp_path, asked) as front:
        body = NEW_BATCH if scope["path"] == "/v1/batches" else UPLOAD
        answer = await front.ask(scope, *body_messages(body))
    assert not answer.is_inner
    assert asked.paths == [scope["path"]]


@pytest.mark.parametrize(
    "scope",
    [
        http_scope("GET", "/v1/files?managed=false"),
        http_scope("GET", "/v1/files/file-abc123"),
        http_scope("POST", "/v1/batches/batch_abc123/cancel"),
        http_scope("POST", "/v1/chat/completions"),
    ],
    ids=lambda scope: f"{scope['method']} {scope['path']}",
)
async def test_for_what_is_not_ours_the_hook_is_not_asked(tmp_path: Path, scope: dict[str, object]) -> None:
    asked = Asked(HTTPException(401))
    async with running_front(tmp_path, asked) as front:
        assert (await front.ask(scope)).is_inner
    assert not asked.paths


@pytest.mark.parametrize("scope", [*OPEN, OURS[0]], ids=lambda scope: f"{scope['method']} {scope['path']}")
@pytest.mark.parametrize(
    ("raised", "status"),
    [(HTTPException(401), 401), (RateLimited("Slow down."), 429), (ConnectionError("redis"), 503)],
    ids=["401", "429", "503"],
)
async def test_what_the_hook_raises_is_answered(
    tmp_path: Path, scope: dict[str, object], raised: Exception, status: int
) -> None:
    async def no_body() -> Message:
        raise AssertionError("the body was read")

    async with running_front(tmp_path, Asked(raised)) as front:
        channel = Channel()
        await front.app(scope, no_body, channel.send)
    assert (channel.status, channel.is_inner) == (status, False)
    assert b"x-request-id" in dict(channel.sent[0]["headers"])
    assert b"redis" not in channel.sent[1]["body"]


async def test_the_app_behind_is_not_told_who_it_is(front: Front) -> None:
    await front.upload(form(field("purpose", "assistants"), file(b"x")))
    (seen,) = front.recorder.seen
    assert seen.scope == http_scope("POST", "/v1/files", MULTIPART)


async def test_without_the_lifespan_only_what_is_ours_fails(tmp_path: Path) -> None:
    front = Front(litebatch(tmp_path))
    for scope in (OPEN[0], OPEN[1], OPEN[3], *OURS):
        answer = await front.ask(scope, *body_messages(NEW_BATCH))
        assert (answer.status, answer.is_inner) == (503, False)
        assert b"FastAPI(lifespan=litebatch.lifespan)" in answer.sent[1]["body"]
    channel = Channel(*body_messages(UPLOAD))
    receive = channel.receive
    await front.app(OPEN[2], receive, channel.send)
    (seen,) = front.recorder.seen
    assert seen.receive is receive
