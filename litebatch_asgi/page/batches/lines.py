"""Requests of a batch, and what came of them: a single one, or the first ones."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import htpy as h
from htpy import Element, Node

from litebatch_asgi.batches import FoundLine, RequestView
from litebatch_asgi.models import Batch
from litebatch_asgi.page.batches.first import first_requests
from litebatch_asgi.page.batches.readings import not_found
from litebatch_asgi.page.batches.samples import answer_of, line_of, side_by_side
from litebatch_asgi.page.parts import field, heading
from litebatch_asgi.page.section import Handler
from litebatch_asgi.page.shown import Shown
from litebatch_asgi.page.visit import Visit
from litebatch_asgi.routes.slots import UploadSlots
from litebatch_asgi.threads import in_thread

WAIT_SECONDS = 10.0
"""for others whose files are read"""


def find_form(visit: Visit, batch_id: str, custom_id: str | None = None) -> Element:
    """Where a custom id is typed in."""
    action = visit.url(f"/batches/{batch_id}/lines")
    return h.form(".filters", method="get", action=action, role="search", data_still=True)[
        field(
            "Find a request",
            "custom_id",
            custom_id,
            required=True,
            placeholder="custom_id",
            spellcheck="false",
        ),
        h.button(type="submit")["Find"],
    ]


def show_lines(reads: UploadSlots) -> Handler:
    """`GET /batches/{id}/lines`: it reads files, so many at once as there are slots."""

    async def show(visit: Visit) -> Shown:
        batch = await visit.services.batches.retrieve(visit.principal, visit.parameter("id"))
        custom_id = visit.request.query_params.get("custom_id", "")  # blanks around it are its own
        content: list[Node] = [
            heading("A request and its answer" if custom_id else "Requests and their answers"),
            h.p[h.a(".id", href=visit.url(f"/batches/{batch.id}"))[batch.id]],
            find_form(visit, batch.id, custom_id),
        ]
        async with reads.waited_for(visit.principal.owner, WAIT_SECONDS):
            lay_out = await _found(visit, batch, custom_id)
            content.append(await in_thread(lay_out))  # it may take long
        return Shown(title=f"{'A request' if custom_id else 'Requests'} of {batch.id}", content=content)

    return show


async def _found(visit: Visit, batch: Batch, custom_id: str) -> Callable[[], Node]:
    """Reads, and tells what lays out what was read."""
    inspection = visit.services.inspection
    if not custom_id:
        return partial(first_requests, visit, batch, await inspection.first(visit.principal, batch.id))
    return partial(_both, batch, await inspection.request(visit.principal, batch.id, custom_id))


def _both(batch: Batch, view: RequestView) -> Node:
    return side_by_side(_line(view.request), _answer(batch, view), title=h.h2)


def _answer(batch: Batch, view: RequestView) -> Node:
    if view.answer is None:
        if batch.status.is_final:
            return h.p["The batch has no results."]
        return h.p[
            f"The batch is {str(batch.status).replace('_', ' ')}: its answers are there once it has ended."
        ]
    if view.answer.line is None:
        return _line(view.answer)
    note = h.p(".dim")["It is in the error file."] if view.is_error else None
    return [note, answer_of(view.answer.line)]


def _line(found: FoundLine) -> Node:
    return line_of(found.line) if found.line is not None else h.p[not_found(found)]
