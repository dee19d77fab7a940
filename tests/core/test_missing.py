"""Rows are declared lost by reads that agree for long enough, and not before."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from litebatch_asgi.batches.missing import are_believed, believed_from, is_all_that_was_done, remembered
from litebatch_asgi.jsonl import Tally
from litebatch_asgi.models import BatchStatus, Counts, ProviderBatch, Settings, ShortRead

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SETTINGS = Settings(lost_grace_seconds=60, missing_file_grace_seconds=21_600)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def told(status: str, done: int | None, *, failed: int = 0, files: bool = True) -> ProviderBatch:
    counts = Counts(total=10, completed=done, failed=failed) if done is not None else None
    return ProviderBatch(
        id="p", status=BatchStatus(status), counts=counts, output_file_id="f" if files else None
    )


def reads_of(*reads: tuple[timedelta, str, int, bool]) -> tuple[ShortRead, ...]:
    """What is remembered after reads: when, what was seen, how many rows, whether files were withheld."""
    memory: tuple[ShortRead, ...] = ()
    for after, seen, rows, is_withheld in reads:
        memory = remembered(memory, seen, rows=rows, is_withheld=is_withheld, now=NOW + after)
    return memory


snapshots = st.builds(
    told,
    st.sampled_from(["completed", "cancelled", "expired"]),
    st.none() | st.integers(0, 10),
    files=st.booleans(),
)
histories = st.lists(
    st.tuples(
        st.integers(0, 20_000).map(lambda seconds: timedelta(seconds=seconds)),
        st.sampled_from("ab"),
        st.integers(0, 10),
        st.booleans(),
    ),
    min_size=1,
    max_size=8,
)


@given(snapshot=snapshots, steps=histories)
def test_reads_are_believed_as_their_whole_history_says(
    snapshot: ProviderBatch, steps: list[tuple[timedelta, str, int, bool]]
) -> None:
    at = timedelta()
    history: list[tuple[timedelta, str, int, bool]] = []
    for step, seen, rows, is_withheld in steps:
        at += step
        history.append((at, seen, rows, is_withheld))
    _, last_seen, last_rows, last_withheld = history[-1]
    agreeing = len(history)
    while agreeing and history[agreeing - 1][1] == last_seen:
        agreeing -= 1
    withheld = len(history)
    while withheld and history[withheld - 1][3]:
        withheld -= 1
    counts_more = snapshot.counts is not None and last_rows < snapshot.counts.done
    throws_away = snapshot.status is not BatchStatus.COMPLETED and snapshot.output_file_id is None
    decided = history[agreeing][0] + (HOUR if counts_more and not throws_away else MINUTE)
    if last_withheld:
        decided = history[withheld][0] + 6 * HOUR
    memory = reads_of(*history)
    assert len(memory) <= 3
    assert believed_from(memory, snapshot, SETTINGS) == NOW + decided
    assert are_believed(memory, snapshot, SETTINGS) == (len(history) - agreeing >= 3 and at >= decided)


@pytest.mark.parametrize(
    ("snapshot", "rows", "is_withheld", "patience"),
    [
        (told("completed", 10), 10, False, MINUTE),
        (told("completed", 10), 9, False, HOUR),
        (told("completed", None), 0, False, MINUTE),
        (told("completed", 0, files=False), 0, False, MINUTE),
        (told("completed", 1, files=False), 0, False, HOUR),
        (told("cancelled", 1, files=False), 0, False, MINUTE),
        (told("expired", 10, files=False), 0, False, MINUTE),
        (told("cancelled", 5), 4, False, HOUR),
        (told("completed", 10), 10, True, 6 * HOUR),
        (told("cancelled", 5), 0, True, 6 * HOUR),
    ],
)
def test_how_long_rows_are_waited_for(
    snapshot: ProviderBatch, rows: int, is_withheld: bool, patience: timedelta
) -> None:
    reads = [(patience * tenth / 10, "a", rows, is_withheld) for tenth in range(11)]
    assert [are_believed(reads_of(*reads[:count]), snapshot, SETTINGS) for count in range(1, 12)] == [
        *[False] * 10,
        True,
    ]


@pytest.mark.parametrize(
    ("snapshot", "tally", "is_all"),
    [
        # those that were executed alone are counted, and have rows
        (told("cancelled", 4, failed=1), Tally(rows=5, completed=4, failed=1, executed=5), True),
        (told("expired", 4, failed=1), Tally(rows=5, completed=4, failed=1, executed=5), True),
        (told("cancelled", 5), Tally(rows=5, completed=4, failed=1, executed=5), True),
        (told("cancelled", 4, failed=1), Tally(rows=4, completed=4, executed=4), False),
        # some of those that were not executed have rows as well, and are counted or not
        (told("cancelled", 4, failed=1), Tally(rows=8, completed=4, failed=4, executed=5), True),
        (told("cancelled", 4, failed=4), Tally(rows=8, completed=4, failed=4, executed=5), True),
        (told("cancelled", 4, failed=6), Tally(rows=5, completed=4, failed=1, executed=5), False),
        # the output is not there yet, the rows of the error file are as many
        (told("cancelled", 5), Tally(rows=5, failed=5), False),
        (told("cancelled", 4, failed=1), Tally(rows=6, failed=6, executed=1), False),
        # nothing can be told from this
        (told("cancelled", 0), Tally(), False),
        (told("cancelled", None), Tally(rows=5, completed=5, executed=5), False),
        (told("cancelled", 5, files=False), Tally(rows=5, completed=5, executed=5), False),
        (told("completed", 5), Tally(rows=5, completed=5, executed=5), False),
    ],
)
def test_whether_what_was_cut_short_has_shown_all(
    snapshot: ProviderBatch, tally: Tally, is_all: bool
) -> None:
    assert is_all_that_was_done(snapshot, tally) is is_all


@given(
    status=st.sampled_from(["cancelled", "expired"]),
    counts=st.lists(st.integers(0, 5), min_size=4, max_size=4),
)
def test_what_was_cut_short_has_not_shown_all_while_rows_are_fewer(status: str, counts: list[int]) -> None:
    completed, failed, more_completed, more_failed = counts
    snapshot = told(status, completed + more_completed, failed=failed + more_failed)
    tally = Tally(rows=completed + failed, completed=completed, failed=failed, executed=completed + failed)
    is_short = more_completed + more_failed > 0
    assert is_all_that_was_done(snapshot, tally) == (not is_short and completed + failed > 0)
