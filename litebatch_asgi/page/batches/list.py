"""The list of batches."""

from __future__ import annotations

import htpy as h
from htpy import Node

from litebatch_asgi.models import Batch
from litebatch_asgi.page.batches.figures import seconds_taken
from litebatch_asgi.page.parts import (
    Column,
    ago,
    amount,
    chip,
    code,
    duration,
    empty,
    heading,
    pager,
    progress,
    table,
)
from litebatch_asgi.page.shown import Shown
from litebatch_asgi.page.visit import Visit
from litebatch_asgi.wire import BatchListQuery
from litebatch_asgi.wire.details import batch_cost

_PATH = "/batches"
_ROWS = 50
_COLUMNS = (
    "Batch",
    "Model",
    "Status",
    "Lines",
    Column("Done", is_number=True),
    "Created",
    "Took",
    Column("Cost", is_number=True),
)


async def show_list(visit: Visit) -> Shown:
    """`GET /batches`."""
    asked = BatchListQuery(limit=_ROWS, after=visit.query.get("after") or None)
    page = await visit.services.batches.page(visit.principal, asked)
    rows = [_row(visit, batch) for batch in page.items]
    older = page.items[-1].id if page.has_more else None
    content: Node = [
        heading("Batches"),
        table("Batches, newest first", _COLUMNS, rows) if rows else _nothing(visit),
        pager(visit, _PATH, older=older),
    ]
    return Shown(title="Batches", content=content, is_live=True, wide=True)


def _row(visit: Visit, batch: Batch) -> list[Node]:
    counts = batch.counts
    return [
        h.a(".id", href=visit.url(f"{_PATH}/{batch.id}"))[batch.id],
        batch.model,
        chip(batch.status),
        progress(counts.completed, counts.failed, counts.total),
        f"{counts.completed:,} / {counts.total:,}",
        ago(batch.created_at, visit.now),
        duration(seconds_taken(batch, visit.now)),
        amount(batch_cost(batch)),
    ]


def _nothing(visit: Visit) -> Node:
    if "after" in visit.query:
        return empty("No more batches")
    return empty(
        "No batches yet",
        h.p["Send a file of requests, and it is here:"],
        code("litebatch batches run requests.jsonl -m MODEL"),
    )
