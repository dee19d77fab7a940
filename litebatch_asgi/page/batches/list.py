"""The list of batches."""

from __future__ import annotations

from collections.abc import Sequence

import htpy as h
from htpy import Node

from litebatch_asgi.errors import InvalidRequest, PermissionDenied
from litebatch_asgi.models import Batch
from litebatch_asgi.page.batches.figures import roughly, seconds_left, seconds_taken
from litebatch_asgi.page.batches.filters import is_filtered, search_form, searched
from litebatch_asgi.page.parts import (
    Column,
    ago,
    amount,
    chip,
    code,
    duration,
    empty,
    heading,
    progress,
    search_rest,
    table,
    told,
)
from litebatch_asgi.page.shown import Shown
from litebatch_asgi.page.visit import Visit
from litebatch_asgi.wire.details import batch_cost
from litebatch_asgi.wire.waiting import told_in_short

PATH = "/batches"
_ROWS = 50


async def show_list(visit: Visit) -> Shown:
    """`GET /batches`."""
    top: Node = [heading("Batches"), search_form(visit, PATH)]
    try:
        found = await searched(visit, _ROWS)
    except (InvalidRequest, PermissionDenied) as error:
        refused: Node = [top, h.p(role="alert")[error.message]]
        return Shown(title="Batches", content=refused, status=error.status)
    rows = [_row(visit, batch) for batch in found.items]
    content: Node = [
        top,
        table("Batches, newest first", _columns(visit), rows) if rows else None,
        search_rest(visit, PATH, found, limit=_ROWS, what="batches", nothing=_nothing(visit)),
    ]
    return Shown(title="Batches", content=content, is_live=True)


def _columns(visit: Visit) -> Sequence[Column | str]:
    owner = ("Owner",) if visit.principal.is_admin else ()
    done, failed = Column("Done", is_number=True), Column("Failed", is_number=True)
    cost = Column("Cost", is_number=True)
    return ("Batch", *owner, "Model", "Status", "Progress", done, failed, "Created", "Took", cost)


def _row(visit: Visit, batch: Batch) -> list[Node]:
    counts, left = batch.counts, seconds_left(batch, visit.now)
    taken = duration(seconds_taken(batch, visit.now))
    return [
        h.a(".id", href=visit.url(f"{PATH}/{batch.id}"))[batch.id],
        *([told(batch.owner, 60)] if visit.principal.is_admin else []),
        told(batch.model, 60),
        _status(batch),
        progress(counts.completed, counts.failed, counts.total),
        f"{counts.completed:,} / {counts.total:,}",
        f"{counts.failed:,}" if counts.failed else "",
        ago(batch.created_at, visit.now),
        h.span[taken, h.span(".dim")[f", {roughly(left)} left"] if left is not None else None],
        amount(batch_cost(batch)) if batch.status.is_final else "",
    ]


def _status(batch: Batch) -> Node:
    if batch.waiting_for is None:
        return chip(batch.status)
    return h.span[
        chip(batch.status), h.span(".waits-for")["waits for ", told_in_short(batch.waiting_for.reason)]
    ]


def _nothing(visit: Visit) -> Node:
    if is_filtered(visit):
        return empty("No such batches", h.p["No batch has all that is asked for."])
    if {"after", "before"} & visit.query.keys():
        return empty("No more batches")
    return empty(
        "No batches yet",
        h.p["Send a file of requests, and it is here:"],
        code("litebatch batches run requests.jsonl -m MODEL"),
    )
