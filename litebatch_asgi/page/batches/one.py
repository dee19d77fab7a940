"""A batch, with all that is known of it without asking a provider."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import htpy as h
from htpy import Node

from litebatch_asgi.batches import undone_lines
from litebatch_asgi.models import Batch, BatchError, Usage
from litebatch_asgi.page.batches.actions import actions
from litebatch_asgi.page.batches.figures import roughly, seconds_left, seconds_taken
from litebatch_asgi.page.batches.files import files_of, files_table
from litebatch_asgi.page.batches.jobs import jobs_part
from litebatch_asgi.page.batches.lines import find_form
from litebatch_asgi.page.batches.story import latest
from litebatch_asgi.page.key import key_named
from litebatch_asgi.page.parts import (
    ago,
    amount,
    chip,
    counted,
    duration,
    facts,
    heading,
    progress,
    table,
    told,
    when,
)
from litebatch_asgi.page.shown import Shown
from litebatch_asgi.page.visit import Visit
from litebatch_asgi.wire.details import batch_details
from litebatch_asgi.wire.waiting import waiting_for_object

_MOST_ERRORS = 20


async def show_batch(visit: Visit) -> Shown:
    """`GET /batches/{id}`."""
    batch = await visit.services.batches.retrieve(visit.principal, visit.parameter("id"))
    jobs = await visit.services.batches.jobs(visit.principal, batch.id)
    content: Node = [
        heading(h.span(".id")[batch.id], actions(visit, batch)),
        _state(visit, batch),
        _waiting(visit, batch),
        _errors(batch.errors),
        facts(_facts(visit, batch, await key_named(visit, batch.created_by))),
        _metadata(batch),
        h.h2["Files"],
        files_table(visit, batch, await files_of(visit, batch)),
        h.h2["Requests"],
        _failures_link(visit, batch),
        h.p[h.a(href=visit.url(f"/batches/{batch.id}/lines"))["The first requests and their answers"]],
        find_form(visit, batch.id),
        h.h2["What has happened"],
        await latest(visit, batch.id),
        [h.h2["Jobs"], jobs_part(visit, jobs)] if jobs else None,
    ]
    return Shown(title=batch.id, content=content, is_live=not batch.status.is_final)


def _state(visit: Visit, batch: Batch) -> Node:
    counts, left = batch.counts, seconds_left(batch, visit.now)
    told_counts = f"{counts.completed:,} done, {counts.failed:,} failed of {counts.total:,}"
    return h.div(".batch-state")[
        chip(batch.status),
        progress(counts.completed, counts.failed, counts.total),
        h.span[told_counts],
        h.span(".dim")[f"{roughly(left)} left"] if left is not None else None,
    ]


def _failures_link(visit: Visit, batch: Batch) -> Node:
    undone = undone_lines(batch)
    has_results = batch.output_file_id is not None or batch.error_file_id is not None
    if not batch.status.is_final or not undone or not has_results:
        return None
    address = visit.url(f"/batches/{batch.id}/failures")
    return h.p[h.a(href=address)[f"Why {counted(undone, 'request has', 'requests have')} not succeeded"]]


def _waiting(visit: Visit, batch: Batch) -> Node:
    if batch.waiting_for is None:
        return None
    waiting = waiting_for_object(batch.waiting_for, for_admin=visit.principal.is_admin)
    return h.p(".batch-waits")[told(waiting.message, 4_000)]


def _errors(errors: Sequence[BatchError]) -> Node:
    """Why the whole of it failed."""
    if not errors:
        return None
    lines = [h.li[told(_error(each), 1_000)] for each in errors[:_MOST_ERRORS]]
    more = len(errors) - _MOST_ERRORS
    return h.div(role="alert")[h.ul(".plain")[lines, h.li[f"{more:,} more"] if more > 0 else None]]


def _error(error: BatchError) -> str:
    where = f"line {error.line}: " if error.line is not None else ""
    said = error.message or error.code or "no reason was told"
    return f"{where}{said}" + (f" ({error.code})" if error.code and error.message else "")


def _facts(visit: Visit, batch: Batch, key: Node) -> Iterator[tuple[str, Node]]:
    if visit.principal.is_admin:
        yield "Owner", told(batch.owner)
        yield "Key", key
        yield "Deployment", told(batch.deployment_id) if batch.deployment_id is not None else None
    yield "Model", told(batch.model)
    yield "Endpoint", h.span(".mono")[batch.endpoint]
    yield "Created", [when(batch.created_at), " (", ago(batch.created_at, visit.now), ")"]
    yield "Took" if batch.status.is_final else "Running for", duration(seconds_taken(batch, visit.now))
    if not batch.status.is_final:
        yield "Expires", [ago(batch.expires_at, visit.now), f" (window {batch.completion_window})"]
    yield "Tokens", _usage(batch.usage) if batch.usage is not None else None
    yield "Cost", _cost(visit, batch)
    estimate = batch.estimated_cost
    yield "Estimated cost", amount(estimate) if estimate is not None else None
    if batch.retry_of is not None:
        yield "Retry of", h.a(".id", href=visit.url(f"/batches/{batch.retry_of}"))[batch.retry_of]
    yield from _options(batch)


def _options(batch: Batch) -> Iterator[tuple[str, Node]]:
    options = batch.options
    if options is None:
        return
    if options.rescue is not None:
        yield "Rescue", "yes" if options.rescue else "no"
    if options.row_retries is not None:
        yield "Retries of a request", str(options.row_retries)
    if options.canary is not None:
        yield "Canary", counted(options.canary, "request", "requests") if options.canary else "none"
    yield "At expiry", options.at_expiry


def _cost(visit: Visit, batch: Batch) -> Node:
    details = batch_details(batch, for_admin=visit.principal.is_admin)
    if details.cost is None:
        return "not known" if batch.status.is_final else "not known yet"
    words = amount(details.cost)
    if details.unpriced_requests:
        without = counted(details.unpriced_requests, "request that has", "requests that have")
        return f"{words}, without {without} no price"
    return words if details.cost_is_final else f"{words} so far"


def _usage(usage: Usage) -> str:
    into = f"{usage.input_tokens:,} in" + _of(usage.cached_tokens, "cached")
    return f"{into}, {usage.output_tokens:,} out" + _of(usage.reasoning_tokens, "reasoning")


def _of(count: int, what: str) -> str:
    return f" ({count:,} {what})" if count else ""


def _metadata(batch: Batch) -> Node:
    pairs = batch.metadata or {}
    if not pairs:
        return None
    rows = [[told(name), told(value, 600)] for name, value in pairs.items()]
    return [h.h2["Metadata"], h.div(".metadata")[table("Metadata", ("Name", "Value"), rows)]]
