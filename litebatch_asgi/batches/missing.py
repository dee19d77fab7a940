"""When rows that a provider's results have not are declared lost. Pure: what a read has found is passed."""

from __future__ import annotations

from datetime import datetime, timedelta

from litebatch_asgi.jsonl import Tally
from litebatch_asgi.models import BatchStatus, ProviderBatch, Settings, ShortRead

READS_TO_BELIEVE = 3
"""reads that must agree"""
UNSHOWN_PATIENCE = 60
"""times `lost_grace_seconds` that a provider has to show rows which it has counted"""
_CUT_SHORT = frozenset({BatchStatus.CANCELLED, BatchStatus.EXPIRED})


def remembered(
    reads: tuple[ShortRead, ...], seen: str, *, rows: int, is_withheld: bool, now: datetime
) -> tuple[ShortRead, ...]:
    """The reads to remember after another one: of those that agree, the first and the last ones.

    `rows`: lines of the results that are of the input, legible or not. `is_withheld`: a file that the
    provider names was not given, or not whole; that is counted from the first such read, whatever else the
    later ones have seen.
    """
    before = reads[-1].withheld_since if reads else None
    read = ShortRead(at=now, seen=seen, rows=rows, withheld_since=(before or now) if is_withheld else None)
    agreeing = reads if reads and reads[-1].seen == seen else ()
    return (*agreeing[:1], *agreeing[1:][2 - READS_TO_BELIEVE :], read)


def believed_from(reads: tuple[ShortRead, ...], snapshot: ProviderBatch, settings: Settings) -> datetime:
    """From when on reads that go on like these are believed: missing rows are lost.

    `snapshot`: the provider's last word, with the highest counts that it ever told.
    """
    last = reads[-1]
    if last.withheld_since is not None:
        return last.withheld_since + timedelta(seconds=settings.missing_file_grace_seconds)
    grace = timedelta(seconds=settings.lost_grace_seconds)
    throws_away = snapshot.status in _CUT_SHORT and not snapshot.names_results
    counted = snapshot.counts.done if snapshot.counts is not None else 0
    is_unshown = last.rows < counted and not throws_away
    return reads[0].at + (grace * UNSHOWN_PATIENCE if is_unshown else grace)


def are_believed(reads: tuple[ShortRead, ...], snapshot: ProviderBatch, settings: Settings) -> bool:
    """Whether the rows that all of these reads have missed are lost, as the last one ends."""
    return len(reads) >= READS_TO_BELIEVE and reads[-1].at >= believed_from(reads, snapshot, settings)


def is_all_that_was_done(snapshot: ProviderBatch, tally: Tally) -> bool:
    """Whether a batch that was cut short has shown every row that it has counted: no others will come.

    Providers count requests that were not executed as failed, or not at all, with or without rows for them.
    """
    told = snapshot.counts
    if snapshot.status not in _CUT_SHORT or not snapshot.names_results or told is None or not told.done:
        return False
    as_told = tally.completed >= told.completed and tally.failed >= told.failed
    return as_told or tally.executed >= told.done
