"""The files of a batch, and downloads of them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, TypeAlias

import htpy as h
from htpy import Node
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from litebatch_asgi.errors import NotFound
from litebatch_asgi.models import Batch, File
from litebatch_asgi.page.origin import HEADERS
from litebatch_asgi.page.parts import Column, ago, size, table, told
from litebatch_asgi.page.section import Handler
from litebatch_asgi.page.visit import Visit
from litebatch_asgi.routes.content import FileContent, content_headers

Which: TypeAlias = Literal["input", "output", "errors"]

WORDS: Mapping[Which, str] = MappingProxyType({"input": "Requests", "output": "Answers", "errors": "Errors"})
_COLUMNS = ("What", "File", Column("Size", is_number=True), "Expires", "")
_RAW_HEADERS = [(name.encode(), value.encode()) for name, value in HEADERS.items()]


def file_id_of(batch: Batch, which: Which) -> str | None:
    """The id of one of its files; result files are there once it has ended."""
    if which == "input":
        return batch.input_file_id
    if not batch.status.is_final:
        return None
    return batch.output_file_id if which == "output" else batch.error_file_id


async def files_of(visit: Visit, batch: Batch) -> Mapping[Which, File | None]:
    """Those that a batch has; None: it is deleted or has expired."""
    found: dict[Which, File | None] = {}
    for which in WORDS:
        file_id = file_id_of(batch, which)
        if file_id is not None:
            try:
                found[which] = await visit.services.files.retrieve(visit.principal, file_id)
            except NotFound:
                found[which] = None
    return found


def files_table(visit: Visit, batch: Batch, files: Mapping[Which, File | None]) -> Node:
    """The files of a batch, with links to download them."""
    return table("Files", _COLUMNS, [_row(visit, batch, which, file) for which, file in files.items()])


def _row(visit: Visit, batch: Batch, which: Which, file: File | None) -> list[Node]:
    if file is None:
        return [WORDS[which], h.span(".id")[file_id_of(batch, which)], "", "deleted or expired", ""]
    return [
        h.span[WORDS[which], [", ", told(file.filename, 60)] if which == "input" else None],
        h.a(".id", href=visit.url(f"/files/{file.id}"))[file.id],
        size(file.bytes),
        ago(file.expires_at, visit.now) if file.expires_at is not None else "never",
        h.a(".button", href=visit.url(f"/batches/{batch.id}/{which}"))["Download"],
    ]


def download(which: Which) -> Handler:
    """`GET /batches/{id}/input` and the like."""

    async def answer(visit: Visit) -> ASGIApp:
        batch = await visit.services.batches.retrieve(visit.principal, visit.parameter("id"))
        file_id = file_id_of(batch, which)
        if file_id is None:
            missing = "answers" if which == "output" else which
            raise NotFound(f"{batch.id} has no file of {missing}; it is {batch.status}.")
        file = await visit.services.files.retrieve(visit.principal, file_id)
        if visit.request.method == "HEAD":
            head = Response()
            head.raw_headers = [*content_headers(file), *_RAW_HEADERS]
            return head
        blocks = visit.services.files.content(visit.principal, file.id)
        return _with_headers(FileContent(file, await anext(blocks, b""), blocks))

    return answer


def _with_headers(app: ASGIApp) -> ASGIApp:
    """What every answer of the page has, above all that no browser guesses what is in it."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        async def extended(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *_RAW_HEADERS]}
            await send(message)

        await app(scope, receive, extended)

    return answer
