"""What became of the lines of a settled job, and the words for those that were left undone. Pure."""

from __future__ import annotations

from datetime import datetime

from litebatch_asgi.batches.reading import Reading
from litebatch_asgi.batches.rows import InlineRows
from litebatch_asgi.models import Batch, BatchStatus, Counts, Outcome

CANCELLED = ("batch_cancelled", "This request was not executed because the batch was cancelled.")
EXPIRED = (
    "batch_expired",
    "This request could not be executed before the completion window expired.",
)
LOST = (
    "batch_line_lost",
    "The provider ended the batch without an answer to this request. Send it again in another batch.",
)


def words_for_undone(batch: Batch) -> tuple[str, str]:
    """Code and message for lines of a batch that is cancelled, or whose time is over."""
    return CANCELLED if batch.cancel_requested_at is not None else EXPIRED


def words_for_missing(batch: Batch, status: BatchStatus, now: datetime) -> tuple[str, str]:
    """The same, for lines of which a provider has left no rows as it ended a job with this status."""
    if status is BatchStatus.COMPLETED:
        return LOST
    is_over = status is BatchStatus.EXPIRED or now >= batch.expires_at
    return words_for_undone(batch) if is_over or batch.cancel_requested_at is not None else LOST


def outcome_of(
    reading: Reading, own: InlineRows | None, batch: Batch, now: datetime, *, handed_on: int = 0
) -> Outcome:
    """Of a job whose results were read, and whose missing lines have rows of `own`."""
    kept, status = reading.kept, reading.snapshot.status
    written = own.count if own is not None else 0
    undone = kept.not_executed + written if status is not BatchStatus.COMPLETED else 0
    is_cancelled = batch.cancel_requested_at is not None
    is_over = status is BatchStatus.EXPIRED or now >= batch.expires_at
    return Outcome(
        counts=Counts(total=kept.rows + written, completed=kept.completed, failed=kept.failed + written),
        usage=kept.usage,
        cancelled=undone if is_cancelled else 0,
        expired=undone if is_over and not is_cancelled else 0,
        handed_on=handed_on,
        executed=kept.executed,
    )


def undone(batch: Batch, requests: int) -> Outcome:
    """Of a job whose lines have rows of ours alone, for nothing of it has run."""
    is_cancelled = batch.cancel_requested_at is not None
    return Outcome(
        counts=Counts(total=requests, failed=requests),
        cancelled=requests if is_cancelled else 0,
        expired=0 if is_cancelled else requests,
    )
