"""Making a batch of a file: first it is told what would become of it, then it is sent."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

import htpy as h
from htpy import Node

from litebatch_asgi.errors import InvalidRequest, RequestError
from litebatch_asgi.models import DryRun, File
from litebatch_asgi.page.files.list import PATH
from litebatch_asgi.page.files.one import is_for_batches
from litebatch_asgi.page.files.outlook import outlook
from litebatch_asgi.page.files.wishes import asked_of, field_names, field_of, wish_fields
from litebatch_asgi.page.parts import facts, heading, post, token, told
from litebatch_asgi.page.shown import Moved, Shown
from litebatch_asgi.page.visit import Visit
from litebatch_asgi.wire import Repeat

_SEND = "send"


async def show_making(visit: Visit) -> Shown:
    """`GET /files/{id}/batch`."""
    file = await _file(visit)
    return _page(visit, file, [_form(visit, file, {})])


async def make_batch(visit: Visit) -> Shown | Moved:
    """`POST /files/{id}/batch`: look ahead, or make the batch that was looked at.

    Sent again, as by a second click, the form leads to the same batch: it carries an idempotency key.
    """
    file, sent = await _file(visit), await visit.form()
    typed = {name: sent[name] for name in field_names() if sent.get(name)}
    try:
        asked = asked_of(file, typed)
        if sent.get("step") == _SEND:
            repeat = Repeat(key=sent.get("key", ""), in_process=True)
            made = await visit.services.batches.begin(visit.principal, asked, repeat)
            return Moved(path=f"/batches/{made.object.id}", notice="The batch was created.")
        told = await visit.services.batches.look_ahead(visit.principal, asked)
    except RequestError as error:
        return _refused(visit, file, typed, error)
    return _page(visit, file, _looked(visit, file, typed, told))


async def _file(visit: Visit) -> File:
    """The file in the path. Raises `NotFound`, and `InvalidRequest` if no batch can be made of it."""
    file = await visit.services.files.retrieve(visit.principal, visit.parameter("id"))
    if not is_for_batches(file):
        raise InvalidRequest(f"No batch can be made of {file.id}: its purpose is '{file.purpose}'.")
    return file


def _page(visit: Visit, file: File, content: Node, status: int = 200) -> Shown:
    what = facts(
        [
            ("File", h.a(href=visit.url(f"{PATH}/{file.id}"))[told(file.filename)]),
            ("Model", told(file.models[0])),
            ("Endpoint", file.endpoint),
            ("Requests", f"{file.lines:,}"),
        ]
    )
    return Shown(title="Create a batch", content=[heading("Create a batch"), what, content], status=status)


def _refused(visit: Visit, file: File, typed: Mapping[str, str], error: RequestError) -> Shown:
    name = field_of(error)
    wrong = {name: error.message} if name is not None else {}
    alert = error.message if name is None else "One of the values is wrong."
    content = [h.p(role="alert")[alert], _form(visit, file, typed, wrong)]
    return _page(visit, file, content, error.status)


def _looked(visit: Visit, file: File, typed: Mapping[str, str], told: DryRun) -> Node:
    fields = {**typed, "step": _SEND, "key": secrets.token_urlsafe(24)}
    return [
        h.h2["Estimate"],
        outlook(told, for_admin=visit.principal.is_admin),
        post(visit, _here(file), "Create the batch", fields=fields),
        h.h2["Change something"],
        _form(visit, file, typed, label="Update the estimate"),
    ]


def _form(
    visit: Visit,
    file: File,
    typed: Mapping[str, str],
    wrong: Mapping[str, str] | None = None,
    *,
    label: str = "Show the estimate",
) -> Node:
    return h.form(".form", method="post", action=visit.url(_here(file)))[
        token(visit),
        wish_fields(visit.services.settings, typed, wrong or {}),
        h.button(type="submit")[label],
    ]


def _here(file: File) -> str:
    return f"{PATH}/{file.id}/batch"
