"""Which jobs are due at once because they are to be cancelled or stopped."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from litebatch_asgi.lifecycle import hurried, next_attempt
from litebatch_asgi.models import JobState
from litebatch_asgi.testing import a_batch, a_file, a_job

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LATER = NOW + timedelta(minutes=1)
BATCH = a_batch(a_file())


@given(st.sampled_from(JobState), st.booleans(), st.booleans(), st.booleans())
def test_what_is_to_be_cancelled_is_due_at_once(
    state: JobState, is_cancelled: bool, is_stopped: bool, is_sent: bool
) -> None:
    """Until its provider knows. What waits is hurried by the batch alone: there is nothing to stop."""
    job = a_job(
        BATCH,
        state=state,
        next_check_at=LATER,
        stop_requested_at=NOW if is_stopped else None,
        cancel_sent_at=NOW if is_sent else None,
    )
    batch = replace(BATCH, cancel_requested_at=NOW if is_cancelled else None)
    to_cancel = state is JobState.SUBMITTED and (is_cancelled or is_stopped) and not is_sent
    is_due = to_cancel or (state is JobState.WAITING and is_cancelled)
    expected = replace(job, next_check_at=NOW if is_due else LATER, to_cancel=to_cancel)
    assert hurried(job, batch, NOW) == expected


def test_the_next_attempt_has_as_many_tokens_and_is_wanted_stopped_by_nobody() -> None:
    job = a_job(BATCH, tokens=2**40, stop_requested_at=NOW, stop_reason="moved")
    following = next_attempt(job, NOW, due=NOW)
    assert (following.tokens, following.requests) == (job.tokens, job.requests)
    assert (following.stop_requested_at, following.stop_reason) == (None, None)
