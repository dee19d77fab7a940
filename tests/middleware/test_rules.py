"""What is taken by method and path, and what is passed on without as much as a look."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from starlette.types import Message, Scope

from litebatch_asgi.errors import ConfigError
from litebatch_asgi.middleware import RULES, LiteBatchMiddleware
from tests.middleware.stage import (
    BATCH_ID,
    FILE_ID,
    SIGNING,
    UPLOAD_ID,
    WEBHOOK_ID,
    Channel,
    Front,
    Recorder,
    body_messages,
    http_scope,
    litebatch,
    running_front,
)

UNTOUCHED = [
    "GET /",
    "GET /files",
    "POST /files",
    "GET /v1",
    "GET /v1/",
    "GET /v1x/files",
    "GET /V1/files",
    "GET /v1/Files",
    "GET /v1//files",
    "GET //v1/files",
    "GET /v1/files/",
    "GET /v1/batches/",
    "GET /v1/models",
    "GET /v1/models/gpt-4o-batch",
    "GET /v1/models/openai/gpt-4o-batch",
    "GET /v1/model_group/info",
    "GET /v1/openapi.json",
    "POST /v1/chat/completions",
    "GET /v1/files/file-abc123",
    "HEAD /v1/files/file-abc123",
    "DELETE /v1/files/file-abc123",
    "GET /v1/files/file-abc123/content",
    "GET /v1/batches/batch_abc123",
    "POST /v1/batches/batch_abc123/cancel",
    "GET /v1/batches/dry_run",
    "POST /v1/batches/dry_run/",
    "POST /v1/batches/Dry_run",
    f"GET /v1/files/{FILE_ID}/",
    f"GET /v1/files//{FILE_ID}",
    f"GET /v1/files/{FILE_ID}x",
    f"GET /v1/files/{FILE_ID[:-1]}",
    f"GET /v1/files/{FILE_ID.upper()}",
    f"GET /v1/files/ {FILE_ID}",
    f"GET /v1/files/{FILE_ID}/content/more",
    f"GET /v1/files/{FILE_ID}/Content",
    f"GET /v1/files/{BATCH_ID}",
    f"GET /v1/batches/{FILE_ID}",
    f"GET /v1/batches/{BATCH_ID}/cancel",
    f"GET /v1/batches/{BATCH_ID}/retry",
    "POST /v1/batches/batch_abc123/retry",
    f"GET /v1/batches/{BATCH_ID}/content",
    f"GET /files/{FILE_ID}",
    f"GET /v1/v1/files/{FILE_ID}",
    f"POST /v1/files/{FILE_ID}",
    f"PUT /v1/files/{FILE_ID}/content",
    f"DELETE /v1/batches/{BATCH_ID}",
    "GET /v1/uploads",
    "POST /v1/uploads/",
    "POST /v1/uploads/upload_abc123/parts",
    "POST /v1/uploads/upload_abc123/complete",
    "POST /v1/uploads/upload_abc123/cancel",
    f"GET /v1/uploads/{UPLOAD_ID}",
    f"POST /v1/uploads/{UPLOAD_ID}",
    f"GET /v1/uploads/{UPLOAD_ID}/parts",
    f"POST /v1/uploads/{UPLOAD_ID}x/parts",
    f"POST /v1/uploads/{FILE_ID}/parts",
    "GET /v1/webhook_endpoints",
    "POST /v1/webhook_endpoints",
    "GET /v1/webhook_event_types",
    "GET /v1/webhook_endpoints/we_abc123",
    "POST /v1/webhook_endpoints/we_abc123/test",
    f"GET /v1/webhook_endpoints/{WEBHOOK_ID}x",
    f"GET /v1/webhook_endpoints/{BATCH_ID}",
    f"GET /v1/webhook_endpoints/{WEBHOOK_ID}/test",
    f"POST /v1/webhook_endpoints/{WEBHOOK_ID}/",
    "DELETE /v1/webhook_endpoints",
    "GET /v1/spend",
    "GET /v1/spend/logs",
    "POST /v1/spend/batches",
    "OPTIONS /v1/files",
    f"OPTIONS /v1/files/{FILE_ID}",
    "PUT /v1/files",
    "PATCH /v1/batches",
    "DELETE /v1/files",
    "TRACE /v1/files",
    "get /v1/files",
]
TAKEN = [
    "GET /v1/files",
    "HEAD /v1/files",
    f"GET /v1/files/{FILE_ID}",
    f"HEAD /v1/files/{FILE_ID}",
    f"DELETE /v1/files/{FILE_ID}",
    f"GET /v1/files/{FILE_ID}/content",
    f"HEAD /v1/files/{FILE_ID}/content",
    "GET /v1/batches",
    "HEAD /v1/batches",
    f"GET /v1/batches/{BATCH_ID}",
    f"HEAD /v1/batches/{BATCH_ID}",
    f"POST /v1/batches/{BATCH_ID}/cancel",
    f"POST /v1/uploads/{UPLOAD_ID}/cancel",
    f"POST /v1/uploads/{UPLOAD_ID}/parts",
    "GET /v1/spend/batches",
    "HEAD /v1/spend/batches",
    f"GET /v1/webhook_endpoints/{WEBHOOK_ID}",
    f"HEAD /v1/webhook_endpoints/{WEBHOOK_ID}",
    f"DELETE /v1/webhook_endpoints/{WEBHOOK_ID}",
]
NEW_WEBHOOK = b'{"name": "x", "url": "https://example.com/", "event_types": ["batch.failed"]}'
WEBHOOKS = [
    ("GET /v1/webhook_endpoints", b"", 200),
    ("HEAD /v1/webhook_endpoints", b"", 200),
    ("POST /v1/webhook_endpoints", NEW_WEBHOOK, 200),
    ("GET /v1/webhook_event_types", b"", 200),
    (f"POST /v1/webhook_endpoints/{WEBHOOK_ID}", b"{}", 404),
    (f"POST /v1/webhook_endpoints/{WEBHOOK_ID}/rotate_secret", b"", 404),
    (f"POST /v1/webhook_endpoints/{WEBHOOK_ID}/test", b'{"event_type": "batch.failed"}', 404),
]


@pytest.mark.parametrize(("request_line", "body", "status"), WEBHOOKS)
async def test_webhooks_are_managed_where_any_can_be_signed(
    tmp_path: Path, request_line: str, body: bytes, status: int
) -> None:
    """Without keys an app behind may have such routes of its own, for what is not ours."""
    method, path = request_line.split(" ")
    scope = http_scope(method, path)
    async with running_front(tmp_path, settings=SIGNING) as front:
        assert (await front.ask(scope, *body_messages(body))).status == status
        assert not front.recorder.seen
        elsewhere = {**scope, "query_string": b"managed=false&x=1"}
        is_ours = WEBHOOK_ID in request_line
        assert (await front.ask(elsewhere, *body_messages(body))).is_inner is not is_ours
        stranger: Scope = {**scope, "headers": []}
        assert (await front.ask(stranger, *body_messages(body))).is_inner is not is_ours
    if not is_ours:
        wanted, unknown = front.recorder.seen
        assert wanted.scope["query_string"] == b"x=1"
        assert (wanted.body, unknown.body) == (body, body)


@pytest.mark.parametrize("request_line", UNTOUCHED)
async def test_what_no_rule_names_is_passed_on_as_it_is(front: Front, request_line: str) -> None:
    method, path = request_line.split(" ", 1)
    scope = http_scope(method, path)
    before = dict(scope)
    channel = Channel({"type": "http.request", "body": b"x", "more_body": False})
    receive, send = channel.receive, channel.send
    await front.app(scope, receive, send)
    (seen,) = front.recorder.seen
    assert (seen.scope is scope, seen.receive is receive, seen.send is send) == (True, True, True)
    assert scope == before
    assert channel.is_inner


@pytest.mark.parametrize("request_line", TAKEN)
async def test_what_is_managed_is_not_passed_on(front: Front, request_line: str) -> None:
    method, path = request_line.split(" ")
    answer = await front.ask(http_scope(method, path))
    assert answer.status == (404 if "_lb" in path or "-lb" in path else 200)
    assert not front.recorder.seen


@pytest.mark.parametrize(
    "scope",
    [
        {"type": "websocket", "path": "/v1/files", "headers": []},
        {"type": "websocket", "path": f"/v1/files/{FILE_ID}", "headers": []},
        {"type": "something.new"},
    ],
    ids=str,
)
async def test_other_scopes_are_passed_on_as_they_are(front: Front, scope: Scope) -> None:
    channel = Channel()
    receive, send = channel.receive, channel.send
    await front.app(scope, receive, send)
    (seen,) = front.recorder.seen
    assert (seen.scope is scope, seen.receive is receive, seen.send is send) == (True, True, True)


@pytest.mark.parametrize("collection", ["files", "batches", "spend/batches"])
@pytest.mark.parametrize(
    ("query", "left"),
    [
        ("managed=false", b""),
        ("limit=2&managed=false", b"limit=2"),
        ("managed=false&after=%66ile-1&x=a+b&x", b"after=%66ile-1&x=a+b&x"),
        ("a&managed=false&&b=%ff&managed=false", b"a&&b=%ff"),
    ],
)
async def test_a_list_of_the_app_behind_can_be_asked_for(
    front: Front, collection: str, query: str, left: bytes
) -> None:
    """The parameter is the middleware's own; the rest of the query is kept byte for byte."""
    scope = http_scope("GET", f"/v1/{collection}?{query}")
    assert (await front.ask(scope)).is_inner
    (seen,) = front.recorder.seen
    assert seen.scope == {**scope, "query_string": left}
    assert scope["query_string"] == query.encode()


@pytest.mark.parametrize("query", ["managed=true", "managed=", "managed", "Managed=false", "unmanaged=false"])
async def test_nothing_else_asks_for_it(front: Front, query: str) -> None:
    assert (await front.ask(http_scope("GET", f"/v1/files?{query}"))).status == 200
    assert not front.recorder.seen


@pytest.mark.parametrize(
    ("prefix", "root_path", "path", "is_taken"),
    [
        ("", "", "/files", True),
        ("/", "", "/files", True),
        ("", "", "/v1/files", False),
        ("/v1/", "", "/v1/files", True),
        ("/api/v1", "", "/api/v1/files", True),
        ("/api/v1", "", "/v1/files", False),
        ("/v1", "/gateway", "/gateway/v1/files", True),
        ("/v1", "/gateway", "/v1/files", True),
        ("/v1", "/gate", "/gateway/v1/files", False),
        ("/v1", "/v", "/v1/files", True),
        ("/v1", "/gateway", "/gateway", False),
        ("/v1", "/v1/files", "/v1/files", False),
        ("/v1", "/v1", "/v1/files", False),
        ("/v1", "/v1", "/v1/v1/files", True),
        ("", "/v1", "/v1/files", True),
    ],
)
async def test_the_prefix_is_looked_for_below_the_root_path(
    tmp_path: Path, prefix: str, root_path: str, path: str, is_taken: bool
) -> None:
    """Some servers put the root path before the path, others don't."""
    running = litebatch(tmp_path)
    async with running.lifespan():
        front = Front(running, prefix=prefix)
        answer = await front.ask(http_scope("GET", path, root_path=root_path))
    assert answer.status == 200
    assert answer.is_inner is not is_taken


@pytest.mark.parametrize("prefix", ["v1", "v1/", "http://gateway.example/v1"])
def test_a_prefix_that_no_path_begins_with(tmp_path: Path, prefix: str) -> None:
    with pytest.raises(ConfigError, match="must begin with a slash"):
        LiteBatchMiddleware(Recorder(), litebatch=litebatch(tmp_path), prefix=prefix)


async def test_an_id_counts_as_it_is_once_decoded(front: Front) -> None:
    """As it does for every route: the path of a scope is decoded."""
    spelled = f"/v1/files/%66{FILE_ID[1:]}"
    scope = http_scope("GET", f"/v1/files/{FILE_ID}", raw_path=spelled.encode())
    assert (await front.ask(scope)).status == 404
    undecoded = http_scope("GET", spelled)
    assert (await front.ask(undecoded)).is_inner


async def test_the_answer_names_what_the_client_asked_for(front: Front) -> None:
    sent = (await front.ask(http_scope("GET", f"/v1/files/{FILE_ID}"))).sent
    assert FILE_ID.encode() in sent[1]["body"]
    assert b"x-request-id" in dict(sent[0]["headers"])


async def test_an_app_behind_that_is_somebody_elses_keeps_its_errors(tmp_path: Path) -> None:
    async def failing(scope: Scope, receive: object, send: object) -> None:
        raise ZeroDivisionError

    running = litebatch(tmp_path)
    async with running.lifespan():
        front = Front(running, failing)
        for scope in (
            http_scope("GET", "/"),
            http_scope("GET", "/v1/files?managed=false"),
            http_scope("POST", "/v1/batches"),
        ):
            with pytest.raises(ZeroDivisionError):
                await front.ask(scope)


async def test_what_an_app_behind_sends_before_it_fails_is_sent(tmp_path: Path) -> None:
    start: Message = {"type": "http.response.start", "status": 200, "headers": [], "trailers": True}

    async def failing(scope: Scope, receive: object, send: object) -> None:
        await channel.send(start)
        raise ZeroDivisionError

    channel = Channel()
    running = litebatch(tmp_path)
    async with running.lifespan():
        front = Front(running, failing)
        with pytest.raises(ZeroDivisionError):
            await front.app(http_scope("POST", "/v1/batches"), channel.receive, channel.send)
    assert channel.sent == [start]


def test_the_table_of_the_documentation_is_the_one_that_decides() -> None:
    documented = re.findall(r"^    ([A-Z]+(?: [A-Z]+)*) {2,}(/\S+)", LiteBatchMiddleware.__doc__ or "", re.M)
    assert documented == [(" ".join(rule.methods), rule.path) for rule in RULES]
