"""One file: what is known of it, its bytes, and deleting it."""

from __future__ import annotations

from collections import defaultdict

import htpy as h
from htpy import Element, Node
from starlette.types import ASGIApp

from litebatch_asgi.models import CopyState, File, FileCopy, FileKind, FileState, FileStatus
from litebatch_asgi.page.files.list import PATH
from litebatch_asgi.page.files.models import names_of
from litebatch_asgi.page.key import key_named
from litebatch_asgi.page.origin import HEADERS
from litebatch_asgi.page.parts import (
    Column,
    ago,
    chip,
    facts,
    heading,
    post,
    size,
    table,
    told,
    visible,
    when,
)
from litebatch_asgi.page.shown import Moved, Shown
from litebatch_asgi.page.visit import Visit
from litebatch_asgi.routes.content import file_content
from litebatch_asgi.wire import file_object

_TONES = {CopyState.INTENT: "waiting", CopyState.PENDING: "validating"}
_COLUMNS = ("Deployment", "Copy", Column("Parts ready", is_number=True), "What it said")
_WORDS = {CopyState.INTENT: "to be sent", CopyState.PENDING: "being checked"}


async def show_file(visit: Visit) -> Shown:
    """`GET /files/{id}`."""
    state = await visit.services.files.state(visit.principal, visit.parameter("id"))
    file = state.file
    content: Node = [
        heading(told(file.filename), *_actions(visit, state)),
        _waiting(visit, state),
        facts(_facts(visit, state, await key_named(visit, file.created_by))),
        _batches(visit, file),
        _copies(state) if visit.principal.is_admin else None,
    ]
    return Shown(title=file.filename, content=content, is_live=True)


async def download(visit: Visit) -> ASGIApp:
    """`GET /files/{id}/content`."""
    return await file_content(visit.services, visit.request, visit.principal, visit.parameter("id"), HEADERS)


async def delete(visit: Visit) -> Moved:
    """`POST /files/{id}/delete`."""
    file = await visit.services.files.retrieve(visit.principal, visit.parameter("id"))
    await visit.services.files.delete(visit.principal, file.id)
    return Moved(path=PATH, notice=f"{visible(file.filename)} was deleted.")


def is_for_batches(file: File) -> bool:
    """Whether a batch can be made of a file."""
    return file.kind is FileKind.INPUT and file.purpose == "batch"


def _actions(visit: Visit, state: FileState) -> list[Node]:
    file = state.file
    here = f"{PATH}/{file.id}"
    runs = f" Batches of it that run go on: {state.open_batches:,}." if state.open_batches else ""
    return [
        h.a(".button.primary", href=visit.url(f"{here}/batch"))["Create a batch"]
        if is_for_batches(file)
        else None,
        h.a(".button", href=visit.url(f"{here}/content"))["Download"],
        post(
            visit,
            f"{here}/delete",
            "Delete",
            class_="danger",
            confirm=f"Nobody can read the file then, nor make a batch of it.{runs}",
        ),
    ]


def _facts(visit: Visit, state: FileState, key: Node) -> list[tuple[str, Node]]:
    file, is_admin = state.file, visit.principal.is_admin
    expires = [when(file.expires_at), " (", ago(file.expires_at, visit.now), ")"]
    return [
        ("Id", h.span(".id")[file.id]),
        ("Purpose", file.purpose),
        ("Status", chip(file.status)),
        ("Size", [size(file.bytes), f" ({file.bytes:,} bytes)" if file.bytes >= 1000 else None]),
        ("Lines", f"{file.lines:,}" if file.lines else None),
        ("Model", told(names_of(file)) if file.models else None),
        ("Endpoint", file.endpoint),
        ("Input tokens, estimated", f"{file.tokens:,}" if file.tokens else None),
        ("Created", when(file.created_at)),
        ("Expires", expires if file.expires_at else "never"),
        ("Of batch", _link(visit, "/batches", file.batch_id)),
        ("Owner", told(file.owner) if is_admin else None),
        ("Key", key),
        ("SHA-256", h.span(".id")[file.sha256] if file.sha256 else None),
    ]


def _link(visit: Visit, path: str, object_id: str | None) -> Node:
    if object_id is None:
        return None
    return h.a(".id", href=visit.url(f"{path}/{object_id}"))[object_id]


def _waiting(visit: Visit, state: FileState) -> Node:
    if state.file.status is not FileStatus.UPLOADED:
        return None
    told = file_object(state.file, for_admin=visit.principal.is_admin, copies=state.copies)
    waiting = told.litebatch.waiting_for
    return h.p(".dim")[waiting.message] if waiting is not None else None


def _batches(visit: Visit, file: File) -> Node:
    if not is_for_batches(file):
        return None
    return h.p[h.a(href=visit.url("/batches", {"text": file.id}))["Batches of this file"]]


def _copies(state: FileState) -> Element | None:
    """One row for each deployment that has, had or is to have a part of it."""
    found = defaultdict[str, list[FileCopy]](list)
    for copy in state.copies:
        if copy.state is not CopyState.DELETED:
            found[copy.deployment_id].append(copy)
    if not found:
        return None
    rows = [_copy(state, where, copies) for where, copies in sorted(found.items())]
    return h.section[h.h2["At deployments"], table("Copies of the file at deployments", _COLUMNS, rows)]


def _copy(state: FileState, where: str, copies: list[FileCopy]) -> list[Node]:
    worst = next((copy for copy in copies if copy.state is not CopyState.READY), copies[0])
    ready = sum(copy.state is CopyState.READY for copy in copies)
    tone = _TONES.get(worst.state, worst.state)
    said = next((copy.error for copy in copies if copy.error), None)
    return [
        where,
        chip(tone, _WORDS.get(worst.state, worst.state)),
        f"{ready:,} of {len(copies):,}",
        told(said) if said else "",
    ]
