"""How the requests of a batch have failed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import htpy as h
from htpy import Node

from litebatch_asgi.batches import Failure, Failures
from litebatch_asgi.models import Batch, RowError
from litebatch_asgi.page.batches.actions import error_fields, retry_button
from litebatch_asgi.page.batches.lines import WAIT_SECONDS
from litebatch_asgi.page.batches.readings import left_out
from litebatch_asgi.page.batches.samples import answer_of, line_of, side_by_side
from litebatch_asgi.page.parts import chip, counted, empty, heading, told
from litebatch_asgi.page.section import Handler
from litebatch_asgi.page.shown import Shown
from litebatch_asgi.page.visit import Visit
from litebatch_asgi.routes.slots import UploadSlots
from litebatch_asgi.threads import in_thread

_MOST_GROUPS = 50
_MOST_SAMPLES = 20


def show_failures(reads: UploadSlots) -> Handler:
    """`GET /batches/{id}/failures`: it reads files, so many at once as there are slots."""

    async def show(visit: Visit) -> Shown:
        batch = await visit.services.batches.retrieve(visit.principal, visit.parameter("id"))
        async with reads.waited_for(visit.principal.owner, WAIT_SECONDS):
            found = await visit.services.inspection.failures(visit.principal, batch.id)
            groups = await in_thread(partial(_groups, visit, batch, found))  # it may take long
        content: Node = [
            heading("What has failed", _retry_all(visit, batch, found)),
            h.p[h.a(".id", href=visit.url(f"/batches/{batch.id}"))[batch.id]],
            _overview(found),
            groups,
        ]
        return Shown(title=f"What has failed of {batch.id}", content=content)

    return show


def _retry_all(visit: Visit, batch: Batch, found: Failures) -> Node:
    return retry_button(visit, batch, f"Retry all {found.total:,}", {}) if found.total else None


def _overview(found: Failures) -> Node:
    if not found.total:
        return empty("Nothing has failed", h.p["All requests of this batch have succeeded."])
    if not found.readings:
        return empty("No results", h.p["The batch has left no results: none of its requests has one."])
    cuts = [cut for cut in map(left_out, found.readings) if cut is not None]
    unshown = found.others + sum(group.count for group in found.groups[_MOST_GROUPS:])
    others = f"{counted(unshown, 'has', 'have')} failed in still other ways, which are not shown."
    seen = "" if found.failed == found.total else f" {found.failed:,} of them were read."
    return [
        h.p[f"{counted(found.total, 'request has', 'requests have')} not succeeded.{seen}"],
        [h.p(".batch-waits")[cut] for cut in cuts],
        h.p[others] if unshown else None,
    ]


def _groups(visit: Visit, batch: Batch, found: Failures) -> list[Node]:
    return [_group(visit, batch, found, at) for at in range(len(found.groups[:_MOST_GROUPS]))]


def _group(visit: Visit, batch: Batch, found: Failures, at: int) -> Node:
    group = found.groups[at]
    error = group.error
    words = [told(error.code)] if error.code is not None else []
    return h.section(".failure", aria_labelledby=f"failure-{at}")[
        h.h2(id=f"failure-{at}")[
            f"{group.count:,} with ",
            [chip("failed", str(error.status)), " "] if error.status is not None else None,
            words or ("no answer" if error.status is None else None),
        ],
        h.p(".said-of-all")[told(error.message, 400) if error.message is not None else "without a message"],
        h.div(".actions")[
            retry_button(visit, batch, _label(found, error), error_fields(error), class_="quiet"),
            _link(visit, batch, group),
        ],
        _sample(group, is_open=at == 0) if at < _MOST_SAMPLES else None,
    ]


def _label(found: Failures, error: RowError) -> str:
    """What a retry by this error runs: where an error tells less than another, that one's requests too."""
    fitting: Sequence[Failure] = [group for group in found.groups if error.fits(group.error)]
    count = sum(group.count for group in fitting)
    if found.others or found.failed != found.total:
        return "Retry all like these"
    if count == 1:
        return "Retry this one"
    return f"Retry these {count:,}" if len(fitting) == 1 else f"Retry all {count:,} like these"


def _link(visit: Visit, batch: Batch, group: Failure) -> Node:
    if group.custom_id is None:
        return None
    address = visit.url(f"/batches/{batch.id}/lines", {"custom_id": group.custom_id})
    return h.a(".button", href=address)["Look at ", told(group.custom_id, 40)]


def _sample(group: Failure, *, is_open: bool) -> Node:
    if group.row is None:
        return h.p(".dim")["The first of these rows is too large to be shown here."]
    request = (
        line_of(group.request) if group.request is not None else h.p["It was not found in what was read."]
    )
    return h.details(open=is_open)[
        h.summary["A sample"],
        side_by_side(request, answer_of(group.row)),
    ]
