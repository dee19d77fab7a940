"""Every answer has its request id, and whatever is raised becomes an answer that tells no secrets."""

from __future__ import annotations

import logging
import re
from typing import Any

import httpx2
import pytest
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from litebatch_asgi.errors import (
    Conflict,
    FileTooLarge,
    InternalError,
    InvalidFile,
    InvalidRequest,
    LifespanNotEntered,
    MethodNotAllowed,
    ModelAccessDenied,
    NoClearAnswer,
    NotFound,
    PermissionDenied,
    Problem,
    RateLimited,
    RequestError,
    RequestTimeout,
    StateConflict,
    StorageUnavailable,
    Unauthenticated,
)
from litebatch_asgi.routes.respond import Respond


def raising(error: BaseException) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise error

    return app


def client(app: ASGIApp) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app), base_url="http://gateway.example", verify=False
    )


async def answer_to(error: Exception, **headers: str) -> httpx2.Response:
    async with client(Respond(raising(error))) as http:
        return await http.get("/v1/batches/batch_x", headers=headers)


@pytest.mark.parametrize(
    ("error", "status", "kind", "code"),
    [
        (InvalidRequest("No.", code="invalid_type"), 400, "invalid_request_error", "invalid_type"),
        (Unauthenticated("Who?"), 401, "authentication_error", "invalid_api_key"),
        (PermissionDenied("No."), 403, "permission_error", "permission_denied"),
        (ModelAccessDenied("No."), 403, "permission_error", "model_access_denied"),
        (NotFound("Where?"), 404, "invalid_request_error", None),
        (MethodNotAllowed("How?"), 405, "invalid_request_error", None),
        (RequestTimeout("Slow."), 408, "invalid_request_error", "request_timeout"),
        (Conflict("Late."), 409, "invalid_request_error", None),
        (FileTooLarge("Much."), 413, "invalid_request_error", "file_too_large"),
        (RateLimited("Often."), 429, "rate_limit_error", "rate_limit_exceeded"),
        (InternalError("Us."), 500, "server_error", "internal_error"),
        (StorageUnavailable("Down."), 503, "server_error", "storage_unavailable"),
        (LifespanNotEntered(), 503, "server_error", "lifespan_not_entered"),
    ],
)
async def test_each_error_has_its_status_and_all_keys(
    error: RequestError, status: int, kind: str, code: str | None
) -> None:
    answer = await answer_to(error)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {
        "error": {"message": error.message, "type": kind, "param": error.param, "code": code}
    }


async def test_a_refused_file_tells_all_its_problems() -> None:
    problems = [
        Problem(code="invalid_json_line", line=line, param=None, message="Not JSON.") for line in (3, 9)
    ]
    error = (await answer_to(InvalidFile(problems))).json()["error"]
    assert [problem["line"] for problem in error["errors"]] == [3, 9]


@pytest.mark.parametrize(
    ("error", "headers"),
    [
        (Conflict("Late."), {"x-should-retry": "false"}),
        (FileTooLarge("Much."), {"x-should-retry": "false"}),
        (RateLimited("Often."), {"retry-after": "1"}),
        (StorageUnavailable("Down."), {"retry-after": "5"}),
        (LifespanNotEntered(), {"retry-after": "5", "x-should-retry": "false"}),
        (Unauthenticated("Who?"), {"www-authenticate": "Bearer"}),
        (NotFound("Where?"), {}),
    ],
)
async def test_retrying_clients_are_told_what_to_do(error: RequestError, headers: dict[str, str]) -> None:
    answer = await answer_to(error)
    told = {"retry-after", "x-should-retry", "www-authenticate"} & set(answer.headers)
    assert {name: answer.headers[name] for name in told} == headers


async def test_a_wait_below_a_second_is_rounded_up() -> None:
    error = RateLimited("Often.")
    error.retry_after = 0.05
    assert (await answer_to(error)).headers["retry-after"] == "1"


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("password=hunter2"),
        StateConflict("row 7 of host db.internal"),
        NoClearAnswer("https://eu.provider.example said: key sk-123"),
    ],
)
async def test_a_defect_is_logged_and_not_told(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    answer = await answer_to(error, **{"x-request-id": "abc-1"})
    assert answer.status_code == 500
    told = answer.json()["error"]
    assert (told["type"], told["code"], told["param"]) == ("server_error", "internal_error", None)
    assert "abc-1" in told["message"]
    assert str(error) not in answer.text
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert "abc-1" in record.getMessage()
    assert "/v1/batches/batch_x" in record.getMessage()
    assert record.exc_info is not None
    assert record.exc_info[1] is error


async def test_what_is_not_the_clients_fault_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    try:
        try:
            raise OSError("no route to db.internal")
        except OSError as cause:
            raise StorageUnavailable("The database does not answer.") from cause
    except StorageUnavailable as error:
        answer = await answer_to(error)
    assert "db.internal" not in answer.text
    assert "db.internal" in caplog.text
    await answer_to(NotFound("Where?"))
    assert len(caplog.records) == 1


async def test_a_path_cannot_write_a_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async with client(Respond(raising(RuntimeError()))) as http:
        await http.get("/v1/x%0aERROR%20forged" + "y" * 1000)
    message = caplog.records[0].getMessage()
    assert "\n" not in message
    assert len(message) < 400


GIVEN = "Req_1.a-Z"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (GIVEN, True),
        ("x" * 128, True),
        ("x" * 129, False),
        ("", False),
        ("a b", False),
        ("a;b", False),
        ("ümlaut", False),
    ],
)
async def test_a_sane_request_id_is_kept(given: str, kept: bool) -> None:
    async with client(Respond(PlainTextResponse("fine"))) as http:
        answer = await http.get("/", headers={b"x-request-id": given.encode()})
    assert (answer.headers["x-request-id"] == given) is kept
    if not kept:
        assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["x-request-id"])


async def test_every_request_has_an_id_of_its_own() -> None:
    async with client(Respond(PlainTextResponse("fine"))) as http:
        ids = {(await http.get("/")).headers["x-request-id"] for _ in range(3)}
    assert len(ids) == 3
    assert (await answer_to(NotFound("Where?"), **{"x-request-id": GIVEN})).headers["x-request-id"] == GIVEN


async def test_the_outermost_of_several_acts() -> None:
    async with client(Respond(Respond(raising(NotFound("Where?"))))) as http:
        answer = await http.get("/")
    assert answer.status_code == 404
    assert len(answer.headers.get_list("x-request-id")) == 1


class Sent:
    """A server's `send` that remembers."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def __call__(self, message: Message) -> None:
        self.messages.append(message)


HTTP: dict[str, Any] = {"type": "http", "method": "GET", "path": "/", "headers": []}


async def nothing() -> Message:
    return {"type": "http.disconnect"}


async def test_half_an_answer_is_cut_not_ended(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise NotFound("gone in the middle")

    sent = Sent()
    with pytest.raises(NotFound):
        await Respond(app)(dict(HTTP), nothing, sent)
    assert [message["type"] for message in sent.messages] == ["http.response.start", "http.response.body"]
    assert "broke off" in caplog.text


async def test_a_client_that_left_gets_no_answer(caplog: pytest.LogCaptureFixture) -> None:
    sent = Sent()
    await Respond(raising(ClientDisconnect()))(dict(HTTP), nothing, sent)
    assert sent.messages == []
    assert caplog.records == []


async def test_other_scopes_pass_through() -> None:
    seen: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)

    await Respond(app)({"type": "lifespan"}, nothing, Sent())
    assert seen == [{"type": "lifespan"}]
