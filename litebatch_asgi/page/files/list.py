"""The list of files."""

from __future__ import annotations

import json
from collections.abc import Sequence

import htpy as h
from htpy import Node

from litebatch_asgi.errors import InvalidRequest, PermissionDenied
from litebatch_asgi.models import File
from litebatch_asgi.page.files.filters import is_filtered, of_model, search_form, searched
from litebatch_asgi.page.files.models import names_of
from litebatch_asgi.page.parts import (
    Column,
    ago,
    chip,
    code,
    empty,
    heading,
    pager,
    search_rest,
    size,
    table,
    told,
)
from litebatch_asgi.page.shown import Shown
from litebatch_asgi.page.visit import Visit

PATH = "/files"
ROWS = 50
_COLUMNS: tuple[Column | str, ...] = (
    "Purpose",
    Column("Size", is_number=True),
    Column("Lines", is_number=True),
    "Model",
    "Status",
    "Created",
    "Expires",
)
_UPLOAD = """\
curl $OPENAI_BASE_URL/files -H "Authorization: Bearer $OPENAI_API_KEY" \\
  -F purpose=batch -F file=@requests.jsonl"""


async def show_list(visit: Visit) -> Shown:
    """`GET /files`."""
    top: Node = [
        heading("Files", h.a(".button.primary", href=visit.url(f"{PATH}/new"))["Upload a file"]),
        search_form(visit, PATH),
    ]
    try:
        files, rest = await _found(visit)
    except (InvalidRequest, PermissionDenied) as error:
        refused: Node = [top, h.p(role="alert")[error.message]]
        return Shown(title="Files", content=refused, status=error.status)
    rows = [_row(visit, file) for file in files]
    content: Node = [top, table("Files, newest first", _columns(visit), rows) if rows else None, rest]
    return Shown(title="Files", content=content, is_live=True)


async def _found(visit: Visit) -> tuple[Sequence[File], Node]:
    """The files that the address asks for, and what stands below them."""
    if visit.query.get("model"):
        page = await of_model(visit, ROWS)
        older = page.items[-1].id if page.has_more else None
        return page.items, [None if page.items else _nothing(visit), pager(visit, PATH, older=older)]
    found = await searched(visit, ROWS)
    rest = search_rest(visit, PATH, found, limit=ROWS, what="files", nothing=_nothing(visit))
    return found.items, rest


def _columns(visit: Visit) -> Sequence[Column | str]:
    owner = ("Owner",) if visit.principal.is_admin else ()
    return ("Name", *owner, *_COLUMNS)


def _row(visit: Visit, file: File) -> list[Node]:
    owner = [told(file.owner, 60)] if visit.principal.is_admin else []
    return [
        h.a(".name", href=visit.url(f"{PATH}/{file.id}"), title=file.id)[told(file.filename, 60)],
        *owner,
        file.purpose,
        size(file.bytes),
        f"{file.lines:,}" if file.lines else "",
        told(names_of(file), 60),
        chip(file.status),
        ago(file.created_at, visit.now),
        ago(file.expires_at, visit.now) if file.expires_at else "never",
    ]


def _nothing(visit: Visit) -> Node:
    if is_filtered(visit):
        return empty("No such files", h.p["No file has all that is asked for."])
    if {"after", "before"} & visit.query.keys():
        return empty("No more files")
    return empty(
        "No files yet",
        h.p["A file for a batch has one request in each line:"],
        code(_sample(visit)),
        h.p["Send it here with ", h.a(href=visit.url(f"{PATH}/new"))["Upload a file"], ", or from a shell:"],
        code(_UPLOAD),
    )


def _sample(visit: Visit) -> str:
    models = (name for name in visit.services.models(visit.principal) if not name.endswith("*"))
    body = {"model": next(models, "MODEL"), "messages": [{"role": "user", "content": "Say hello."}]}
    line = {"custom_id": "request-1", "method": "POST", "url": "/v1/chat/completions", "body": body}
    return json.dumps(line)
