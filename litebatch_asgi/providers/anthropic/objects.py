"""Anthropic's Message Batch object, as a batch of ours. Source: the `anthropic` package's types."""

from __future__ import annotations

from typing import cast

from litebatch_asgi.errors import NoClearAnswer
from litebatch_asgi.jsonl.scan import Wanted
from litebatch_asgi.models import BatchStatus, Counts, ProviderBatch
from litebatch_asgi.providers.openai.objects import parse_time
from litebatch_asgi.providers.openai.reading import Object

_WHOLE: Wanted = {}
FIELDS: Wanted = dict.fromkeys(
    ("id", "processing_status", "request_counts", "created_at", "cancel_initiated_at", "results_url"), _WHOLE
)
"""what is read of the object"""
_OPEN = {"in_progress": BatchStatus.IN_PROGRESS, "canceling": BatchStatus.CANCELLING}
_WAYS = ("processing", "succeeded", "errored", "canceled", "expired")


def parse_message_batch(content: Object) -> ProviderBatch:
    """A Message Batch. Raises `NoClearAnswer` if it has no id.

    Its results, once it has them, are a file with its own id. A status that is not known counts as
    `in_progress`, so that the batch is looked at again.
    """
    batch_id = content.get("id")
    if not isinstance(batch_id, str) or not batch_id:
        raise NoClearAnswer("the answer names no id")
    ways = _ways(content.get("request_counts"))
    status = content.get("processing_status")
    has_ended = status == "ended"
    made_at = parse_time(content.get("created_at"))
    return ProviderBatch(
        id=batch_id,
        status=_ended(content, ways) if has_ended else _OPEN.get(str(status), BatchStatus.IN_PROGRESS),
        created_at=made_at,
        in_progress_at=made_at,
        output_file_id=batch_id if has_ended and content.get("results_url") else None,
        counts=None if ways is None else _counts(ways),
    )


def _ended(content: Object, ways: dict[str, int] | None) -> BatchStatus:
    """How a batch has ended: what was not done decides, and where that is not told, who asked for what.

    One that was cancelled when all was done is completed. One that expired in part while it was being
    cancelled is cancelled, for that was asked for.
    """
    was_cancelled = content.get("cancel_initiated_at") is not None
    if ways is None:
        return BatchStatus.CANCELLED if was_cancelled else BatchStatus.COMPLETED
    if ways["canceled"] or (was_cancelled and ways["expired"]):
        return BatchStatus.CANCELLED
    return BatchStatus.EXPIRED if ways["expired"] else BatchStatus.COMPLETED


def _ways(value: object) -> dict[str, int] | None:
    """How many requests are in which way; None where that is not told."""
    if not isinstance(value, dict):
        return None
    told = {name: cast("Object", value).get(name) for name in _WAYS}
    known = {name: count for name, count in told.items() if type(count) is int and count >= 0}
    return dict.fromkeys(_WAYS, 0) | known if known else None


def _counts(ways: dict[str, int]) -> Counts:
    """As OpenAI counts: what was not executed has failed, and has a row that says so."""
    succeeded, total = ways["succeeded"], sum(ways.values())
    return Counts(total=total, completed=succeeded, failed=total - succeeded - ways["processing"])
