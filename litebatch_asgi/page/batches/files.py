"""The files of a batch, and downloads of them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, TypeAlias

import htpy as h
from htpy import Node
from starlette.types import ASGIApp

from litebatch_asgi.errors import NotFound
from litebatch_asgi.models import Batch, File
from litebatch_asgi.page.origin import HEADERS
from litebatch_asgi.page.parts import Column, ago, size, table, told
from litebatch_asgi.page.section import Handler
from litebatch_asgi.page.visit import Visit
from litebatch_asgi.routes.content import file_content

Which: TypeAlias = Literal["input", "output", "errors"]

WORDS: Mapping[Which, str] = MappingProxyType({"input": "Requests", "output": "Answers", "errors": "Errors"})
_COLUMNS = ("What", "File", Column("Size", is_number=True), "Expires", "")


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
        return await file_content(visit.services, visit.request, visit.principal, file_id, HEADERS)

    return answer
