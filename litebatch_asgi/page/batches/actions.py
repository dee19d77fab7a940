"""What can be done with a batch."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence

from htpy import Node

from litebatch_asgi.batches import undone_lines
from litebatch_asgi.models import Batch, BatchStatus, RowError
from litebatch_asgi.page.parts import counted, post
from litebatch_asgi.page.shown import Moved
from litebatch_asgi.page.visit import Visit
from litebatch_asgi.wire import Repeat, RetryBatch, checks

_CANCELLABLE = frozenset({BatchStatus.VALIDATING, BatchStatus.IN_PROGRESS, BatchStatus.FINALIZING})
_KEY, _BY, _ERROR = "key", "by", "error"


def actions(visit: Visit, batch: Batch) -> Node:
    """The buttons for what can be done with it now."""
    path = f"/batches/{batch.id}"
    if batch.status in _CANCELLABLE and batch.cancel_requested_at is None:
        sentence = "Requests that have not run by then never will; the answers that are there are kept."
        return post(visit, f"{path}/cancel", "Cancel", class_="quiet", confirm=sentence)
    undone = undone_lines(batch)
    if not batch.status.is_final or not undone:
        return None
    return retry_button(visit, batch, f"Retry {counted(undone, 'request', 'requests')}", {})


def retry_button(
    visit: Visit, batch: Batch, label: str, fields: Mapping[str, str], *, class_: str | None = None
) -> Node:
    """A button for a retry; pressed twice it makes one batch."""
    values = {**fields, _KEY: f"page-{secrets.token_hex(16)}"}
    return post(visit, f"/batches/{batch.id}/retry", label, fields=values, class_=class_)


async def cancel(visit: Visit) -> Moved:
    """`POST /batches/{id}/cancel`."""
    batch = await visit.services.batches.cancel(visit.principal, visit.parameter("id"))
    return Moved(path=f"/batches/{batch.id}", notice="The batch is being cancelled.")


async def retry(visit: Visit) -> Moved:
    """`POST /batches/{id}/retry`."""
    form = await visit.form()
    repeat = Repeat(key=form.get(_KEY) or None, in_process=True)
    parent, asked = visit.parameter("id"), RetryBatch(errors=_chosen_errors(form))
    made = await visit.services.batches.begin_retry(visit.principal, parent, asked, repeat)
    batch = made.object
    notice = f"This batch runs {counted(batch.counts.total, 'request', 'requests')} of {parent} again."
    return Moved(path=f"/batches/{batch.id}", notice=notice)


def error_fields(error: RowError) -> Mapping[str, str]:
    """The fields of a button that retries requests which have failed like this."""
    told = {"status": error.status, "code": error.code, "message": error.message}
    return {_BY: _ERROR} | {name: str(value) for name, value in told.items() if value is not None}


def _chosen_errors(form: Mapping[str, str]) -> Sequence[RowError] | None:
    """The error that such a button names; None: it is another button. Raises `InvalidRequest`."""
    if form.get(_BY) != _ERROR:
        return None
    status = form.get("status")
    number = checks.integer(status, "status") if status is not None else None
    return [RowError(status=number, code=form.get("code"), message=form.get("message"))]
