"""Which requests are a canary, and what the others do about it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from litebatch_asgi.canary import CanaryStep, canary_lines, canary_size, is_rest, step_of
from litebatch_asgi.errors import ConfigError
from litebatch_asgi.models import Batch, BatchOptions, Counts, Job, JobState, Outcome, Settings
from litebatch_asgi.models.ids import job_id
from litebatch_asgi.rescue import CANARY, CANARY_CUT, CANARY_FAILED, rescue_rules

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = NOW + timedelta(minutes=15)
BATCH = Batch(
    id="batch_lb",
    owner="alice",
    created_by=None,
    input_file_id="file-lb",
    endpoint="/v1/chat/completions",
    completion_window="24h",
    model="m",
    created_at=NOW,
    expires_at=NOW + timedelta(days=1),
    counts=Counts(total=10),
)


def job(shard: int, requests: int, **changes: Any) -> Job:
    """A job that waits with a shard that its batch began with, unless it is said otherwise."""
    values: dict[str, Any] = {"root": shard} | changes
    return Job(
        id=job_id(BATCH.id, shard, values.get("attempt", 1)),
        batch_id=BATCH.id,
        owner="alice",
        shard=shard,
        requests=requests,
        created_at=NOW,
        **values,
    )


def step(of: Job, *others: Job, now: datetime = NOW, size: int = 2) -> CanaryStep:
    """What a job does."""
    return step_of(of, (of, *others), now, size=size, until=LATER)


CUT = job(0, 10, state=JobState.SETTLED, reason=CANARY_CUT, outcome=Outcome(counts=Counts(), handed_on=10))
REST = job(7, 8, root=0, parent=0)
TRIED = job(8, 2, root=0, parent=0, reason=CANARY)


def ended(completed: int = 0, **outcome: Any) -> Job:
    """The canary with what became of it."""
    counts = Counts(total=2, completed=completed, failed=2 - completed)
    return replace(TRIED, state=JobState.SETTLED, outcome=Outcome(counts=counts, **outcome))


@given(st.lists(st.integers(1, 50), min_size=1, max_size=6), st.data())
def test_a_canary_has_so_many_requests_evenly_spread(sizes: list[int], data: st.DataObject) -> None:
    total = sum(sizes)
    size = data.draw(st.integers(1, total))
    jobs = [job(number, lines) for number, lines in enumerate(sizes)]
    chosen: list[int] = []
    before = 0
    for each in jobs:
        found = canary_lines(each, jobs, size)
        assert all(0 <= index < each.requests for index in found)
        chosen += [before + index for index in found]
        before += each.requests
    assert len(set(chosen)) == size
    assert chosen == sorted(chosen)
    gaps = {later - earlier for earlier, later in pairwise(chosen)}
    assert not gaps or max(gaps) - min(gaps) <= 1


def test_the_option_counts_before_the_setting() -> None:
    settings = Settings(canary=3)
    asked = [replace(BATCH, options=BatchOptions(canary=canary)) for canary in (None, 0, 5)]
    assert [canary_size(each, settings) for each in (BATCH, *asked)] == [3, 3, 0, 5]
    assert canary_size(BATCH, Settings()) == 0
    assert canary_size(BATCH, Settings(canary=9)) == 9
    assert canary_size(BATCH, Settings(canary=10)) == 0
    with pytest.raises(ConfigError, match="canary must be 0 or more"):
        Settings(canary=-1)


def test_it_is_cut_out_before_anything_is_sent() -> None:
    assert step(job(0, 10)) is CanaryStep.CUT
    assert step(job(0, 10), size=0) is CanaryStep.GO
    assert step(job(0, 10), now=LATER) is CanaryStep.GO
    assert step(job(0, 5), job(1, 5, submit_started_at=NOW, state=JobState.SUBMITTED)) is CanaryStep.GO
    refused = job(0, 10, submit_started_at=NOW, state=JobState.REFUSED)
    assert step(job(0, 10, attempt=2), refused) is CanaryStep.GO
    assert step(job(0, 1), job(1, 9), size=1) is CanaryStep.WAIT
    assert step(job(1, 9), job(0, 1), size=1) is CanaryStep.CUT


def test_the_canary_is_tried_and_others_wait() -> None:
    assert step(TRIED, CUT, REST) is CanaryStep.TRY
    assert step(TRIED, CUT, REST, now=LATER) is CanaryStep.LET_GO
    for state in (JobState.WAITING, JobState.SUBMITTED, JobState.ENDED):
        assert step(REST, CUT, replace(TRIED, state=state)) is CanaryStep.WAIT
        assert step(REST, CUT, replace(TRIED, state=state), now=LATER) is CanaryStep.GO
    assert is_rest(REST, (CUT, REST, TRIED))
    assert not is_rest(TRIED, (CUT, REST, TRIED))


def test_what_becomes_of_it_decides() -> None:
    assert step(REST, CUT, ended(completed=1)) is CanaryStep.GO
    assert step(REST, CUT, ended()) is CanaryStep.FAIL
    assert step(REST, CUT, ended(), now=LATER) is CanaryStep.FAIL
    assert step(REST, CUT, ended(), size=0) is CanaryStep.FAIL
    assert step(REST, CUT, ended(handed_on=1)) is CanaryStep.GO
    other = replace(ended(completed=1), id="job_other", shard=9, root=1)
    assert step(REST, CUT, ended(), other) is CanaryStep.GO
    sent = job(3, 4, submit_started_at=NOW, state=JobState.SUBMITTED)
    assert step(REST, CUT, ended(), sent) is CanaryStep.GO


def test_what_it_leaves_undone_may_run_elsewhere_whatever_is_set() -> None:
    strict = Settings(rescue=False, max_rescues=0, row_retries=0)
    rules = rescue_rules(strict, None, TRIED)
    assert (rules.rescue, rules.max_rescues, rules.row_retries, rules.min_retry_rows) == (True, 1, 1, 1)
    for other in (REST, replace(REST, reason=CANARY_FAILED)):
        assert not rescue_rules(strict, None, other).rescue
