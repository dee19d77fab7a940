from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.types import Receive, Scope, Send

from litebatch_asgi.server.access import AccessLog, OwnerNoting
from litebatch_asgi.server.auth import AnyKey

authenticate = OwnerNoting(AnyKey())


async def answer(request: Request) -> Response:
    principal = await authenticate(request)
    return Response(status_code=204 if principal else 401, headers={"x-request-id": "r-1"})


async def fail(request: Request) -> Response:
    raise LookupError("secret detail")


app = Starlette(
    routes=[
        Mount("/v1", routes=[Route("/files/{id}", answer)]),
        Route("/health/liveliness", answer),
        Route("/fail", fail),
    ]
)


async def told(path: str, **headers: str) -> list[Mapping[str, Any]]:
    """What is logged for a `GET` of `path`."""
    lines: list[Mapping[str, Any]] = []
    transport = httpx2.ASGITransport(AccessLog(app, lines.append), raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://gateway") as client:
        await client.get(path, headers=headers)
    return lines


async def test_a_request_is_one_line_with_its_owner() -> None:
    (line,) = await told("/v1/files/f%20?key=sk-hidden", authorization="Bearer sk-hidden")
    assert line["ms"] >= 0
    wanted = ("method", "path", "status", "owner", "request_id", "error")
    assert [line[name] for name in wanted] == ["GET", "/v1/files/f%20", 204, "local", "r-1", None]
    assert "sk-hidden" not in str(line)


async def test_who_is_not_let_in_has_no_owner() -> None:
    (line,) = await told("/v1/files/f")
    assert (line["status"], line["owner"]) == (401, None)


async def test_health_is_told_only_when_it_is_bad() -> None:
    assert await told("/health/liveliness", authorization="Bearer x") == []
    assert len(await told("/health/liveliness")) == 1


async def test_an_exception_is_named_by_its_type_alone() -> None:
    (line,) = await told("/fail")
    assert (line["status"], line["error"]) == (500, "LookupError")
    assert "secret detail" not in str(line)


async def test_a_client_that_left_before_the_answer() -> None:
    async def silent(scope: Scope, receive: Receive, send: Send) -> None:
        pass

    async def receive() -> Any: ...
    async def send(message: Any) -> None: ...

    lines: list[Mapping[str, Any]] = []
    await AccessLog(silent, lines.append)({"type": "http", "method": "GET", "path": "/x"}, receive, send)
    assert lines[0]["status"] == 499
