"""The first requests of a batch, each beside its answer."""

from __future__ import annotations

import htpy as h
from htpy import Node

from litebatch_asgi.batches import FirstRequest, FirstRequests
from litebatch_asgi.models import Batch
from litebatch_asgi.page.batches.readings import left_out
from litebatch_asgi.page.batches.samples import BRIEFLY, answer_of, line_of, side_by_side
from litebatch_asgi.page.parts import chip, told
from litebatch_asgi.page.visit import Visit


def first_requests(visit: Visit, batch: Batch, found: FirstRequests) -> Node:
    """What was found of them, and what was not read."""
    cuts = [cut for cut in map(left_out, (found.request_reading, *found.readings)) if cut is not None]
    return [
        h.h2[f"The first {len(found.items):,} of {batch.counts.total:,}" if found.items else "The first"],
        [h.p(".batch-waits")[cut] for cut in dict.fromkeys(cuts)],
        [_one(visit, batch, each, is_open=at == 0) for at, each in enumerate(found.items)],
    ]


def _one(visit: Visit, batch: Batch, one: FirstRequest, *, is_open: bool) -> Node:
    name = told(one.custom_id, 100) if one.custom_id is not None else "without a custom_id that can be read"
    large = h.p(".dim")["It is too large to be shown here."]
    return h.details(".more", open=is_open)[
        h.summary[name, [" ", chip("failed")] if one.is_error else None],
        side_by_side(
            large if one.request is None else line_of(one.request, BRIEFLY),
            _answer(batch, one) if one.answer is None else answer_of(one.answer, BRIEFLY),
        ),
        _whole(visit, batch, one),
    ]


def _answer(batch: Batch, one: FirstRequest) -> Node:
    if not batch.status.is_final:
        return h.p["It is there once the batch has ended."]
    if batch.output_file_id is None and batch.error_file_id is None:
        return h.p["The batch has no results."]
    return h.p["It was not found in what was read, or is too large to be shown here."]


def _whole(visit: Visit, batch: Batch, one: FirstRequest) -> Node:
    if one.custom_id is None:
        return None
    address = visit.url(f"/batches/{batch.id}/lines", {"custom_id": one.custom_id})
    return h.p[h.a(href=address)["All of it"]]
