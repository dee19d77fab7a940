"""What is reckoned of a batch for the page."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from litebatch_asgi.models import Batch, BatchStatus, Counts, WaitingFor
from litebatch_asgi.page.batches.figures import roughly, seconds_left, seconds_taken

BEGUN = datetime(2026, 1, 1, tzinfo=UTC)
BATCH = Batch(
    id="batch_x",
    owner="ada",
    created_by=None,
    input_file_id="file-x",
    endpoint="/v1/chat/completions",
    completion_window="24h",
    model="m",
    status=BatchStatus.IN_PROGRESS,
    created_at=BEGUN - timedelta(minutes=1),
    in_progress_at=BEGUN,
    expires_at=BEGUN + timedelta(days=1),
    counts=Counts(total=1000, completed=200, failed=50),
)


def after(seconds: float) -> datetime:
    return BEGUN + timedelta(seconds=seconds)


def test_the_pace_since_it_began_tells_what_is_left() -> None:
    assert seconds_left(BATCH, after(100)) == 300
    assert seconds_left(replace(BATCH, looked_at=after(100)), after(110)) == 290


@pytest.mark.parametrize(
    "changes",
    [
        {"counts": Counts(total=1000, completed=9)},
        {"counts": Counts(total=1000, completed=15)},
        {"status": BatchStatus.FINALIZING},
        {"status": BatchStatus.VALIDATING, "in_progress_at": None},
        {"waiting_for": WaitingFor(reason="deployments_busy")},
        {"looked_at": BEGUN + timedelta(seconds=1)},
    ],
)
def test_what_is_no_pace_tells_nothing(changes: dict[str, Any]) -> None:
    assert seconds_left(replace(BATCH, **changes), after(100)) is None


@given(st.integers(1, 10**6), st.floats(0, 1), st.floats(0, 10**6), st.floats(0, 10**6), st.booleans())
def test_never_less_than_nothing_nor_more_than_until_it_expires(
    total: int, share: float, seen: float, then: float, has_looked: bool
) -> None:
    counts = Counts(total=total, completed=int(total * share))
    batch = replace(BATCH, counts=counts, looked_at=after(seen) if has_looked else None)
    now = after(then)
    left = seconds_left(batch, now)
    assert left is None or 0 <= left <= max(0, (batch.expires_at - now).total_seconds())


def test_a_batch_that_has_ended_takes_no_longer() -> None:
    assert seconds_taken(BATCH, after(60)) == 120
    assert seconds_taken(replace(BATCH, expired_at=after(10)), after(60)) == 70


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "less than a minute"),
        (59, "less than a minute"),
        (60, "about 1 min"),
        (7_199, "about 120 min"),
        (7_200, "about 2 h"),
        (86_400, "about 24 h"),
        (200_000, "about 2 d"),
    ],
)
def test_guesses_are_round(seconds: float, words: str) -> None:
    assert roughly(seconds) == words
