"""The answer that carries a file's bytes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from types import MappingProxyType
from urllib.parse import quote

import anyio
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from litebatch_asgi import tracing
from litebatch_asgi.errors import InternalError
from litebatch_asgi.models import File, Principal
from litebatch_asgi.routes.services import Services

_NONE: Mapping[str, str] = MappingProxyType({})


async def file_content(
    services: Services,
    request: Request,
    principal: Principal,
    file_id: str,
    headers: Mapping[str, str] = _NONE,
) -> ASGIApp:
    """The answer to a request for a file's bytes, with more headers than are its own.

    Raises what `FileService.content` raises before the first block.
    """
    file = await services.files.retrieve(principal, file_id)
    if request.method == "HEAD":
        answer = Response()
        answer.raw_headers = content_headers(file, headers)
        return answer
    blocks = services.files.content(principal, file.id)
    with tracing.request(request.scope["headers"]):
        first = await anext(blocks, b"")
    return FileContent(file, first, blocks, headers)


class FileContent:
    """Streams a file, whose first block has come already: errors before that are answers of their own.

    When the blocks break off, or are not `file.bytes` long, it raises with the answer half sent: the
    server then cuts the connection. A client that leaves ends the reading at the provider.
    """

    def __init__(
        self,
        file: File,
        first: bytes,
        rest: AsyncGenerator[bytes],
        headers: Mapping[str, str] = _NONE,
    ) -> None:
        self._file = file
        self._headers = content_headers(file, headers)
        self._first = first
        self._rest = rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        failure: Exception | None = None
        async with anyio.create_task_group() as group:
            group.start_soon(_cancel_when_gone, receive, group.cancel_scope)
            try:
                await self._send_all(send)
            except Exception as error:
                failure = error
            group.cancel_scope.cancel()
        if failure is not None:
            raise failure

    async def _send_all(self, send: Send) -> None:
        sent = len(self._first)
        async with aclosing(self._rest) as rest:
            await send({"type": "http.response.start", "status": 200, "headers": self._headers})
            await send({"type": "http.response.body", "body": self._first, "more_body": True})
            async for block in rest:
                sent += len(block)
                await send({"type": "http.response.body", "body": block, "more_body": True})
        if sent != self._file.bytes:
            raise InternalError(f"{self._file.id}: {sent} of {self._file.bytes} bytes were sent")
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def content_headers(file: File, more: Mapping[str, str] = _NONE) -> list[tuple[bytes, bytes]]:
    """The headers of a file's content, and some more."""
    name = quote(file.filename)
    disposition = f'filename="{name}"' if name == file.filename else f"filename*=utf-8''{name}"
    return [
        (b"content-type", b"application/octet-stream"),
        (b"content-length", b"%d" % file.bytes),
        (b"content-disposition", f"attachment; {disposition}".encode()),
        *((name.encode(), value.encode()) for name, value in more.items()),
    ]


async def _cancel_when_gone(receive: Receive, scope: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()
