"""Sending a file from a browser: it goes to the disk as it arrives, and is checked as any upload."""

from __future__ import annotations

from collections.abc import Mapping

import htpy as h
from htpy import Element, Node

from litebatch_asgi.errors import InvalidFile, RequestError, RequestTimeout
from litebatch_asgi.models.limits import file_cap
from litebatch_asgi.page.files.list import PATH
from litebatch_asgi.page.files.models import model_field
from litebatch_asgi.page.files.problems import problem_table
from litebatch_asgi.page.parts import counted, heading, size_limit, token, visible
from litebatch_asgi.page.shown import Moved, Shown
from litebatch_asgi.page.visit import TOKEN_FIELD, Visit
from litebatch_asgi.routes.multipart import Received
from litebatch_asgi.routes.uploading import upload_file
from litebatch_asgi.wire import Repeat, UploadForm
from litebatch_asgi.wire.names import Pairs, model_names

_NEW = f"{PATH}/new"
_PURPOSE = "batch"


async def show_upload(visit: Visit) -> Shown:
    """`GET /files/new`."""
    return _page(visit, {})


async def upload(visit: Visit) -> Shown | Moved:
    """`POST /files/new`: the token comes before the file, and is looked at before any of it is kept."""
    typed: dict[str, str] = {}

    def check(fields: Pairs) -> None:
        given = dict(fields)
        visit.check_token(given.pop(TOKEN_FIELD, ""))
        typed.update(given)

    try:
        made = await upload_file(
            visit.services, visit.request, visit.principal, _asked, Repeat(in_process=True), before_file=check
        )
    except RequestTimeout:
        raise
    except RequestError as error:
        return _page(visit, typed, error)
    file = made.object.file
    return Moved(
        path=f"{PATH}/{file.id}",
        notice=f"{visible(file.filename)} was uploaded: {counted(file.lines, 'line', 'lines')}.",
    )


def _asked(received: Received) -> UploadForm:
    names = [("target_model_names", value) for name, value in received.fields if name == "model"]
    return UploadForm(purpose=_PURPOSE, target_model_names=model_names(names))


def _page(visit: Visit, typed: Mapping[str, str], error: RequestError | None = None) -> Shown:
    content: Node = [heading("Upload a file"), h.div("#refusal")[_refusal(error)], _form(visit, typed)]
    return Shown(title="Upload a file", content=content, status=200 if error is None else error.status)


def _refusal(error: RequestError | None) -> Node:
    if error is None:
        return None
    if isinstance(error, InvalidFile) and any(problem.line is not None for problem in error.problems):
        return problem_table(error.problems)
    return h.p(role="alert")[error.message]


def _form(visit: Visit, typed: Mapping[str, str]) -> Element:
    """`data-upload` has the script send it, and show how far it is: see `page.js`."""
    limits = visit.principal.limits
    most = file_cap(limits, visit.services.settings.largest_file_bytes).bytes
    return h.form(
        ".form",
        method="post",
        action=visit.url(_NEW),
        enctype="multipart/form-data",
        data_upload=True,
        data_most=str(most),
    )[
        token(visit),
        model_field(
            visit,
            "Model",
            typed.get("model"),
            "Empty: those that the lines name. Several: with commas between.",
        ),
        h.div(".field")[
            h.label(for_="field-file")["File"],
            h.input(
                "#field-file",
                name="file",
                type="file",
                required=True,
                accept=".jsonl,.ndjson,.json,.txt,application/jsonl",
                aria_describedby="hint-file",
            ),
            h.small("#hint-file")[f"One request in each line, at most {size_limit(most)}."],
        ],
        h.button(type="submit")["Upload"],
        _progress(),
    ]


def _progress() -> Element:
    return h.div(".sending", hidden=True, data_sending=True)[
        h.progress(max="1", value="0", aria_label="Upload"),
        h.p(".dim", data_said=True),
        h.button(".quiet", type="button", data_cancel=True)["Cancel"],
    ]
