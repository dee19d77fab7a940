"""How quick deployments are, by the jobs that they were through with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from litebatch_asgi.jobs import DeploymentRecord, EndedJob, record_of
from litebatch_asgi.models import Counts, JobState, Outcome
from litebatch_asgi.throughput import LAPSE, requests_per_second

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def job(executed: int, began: float, ended: float, *, is_cut_short: bool = False) -> EndedJob:
    """A settled job that was there between two moments, in seconds before now."""
    return EndedJob(
        state=JobState.SETTLED,
        submit_started_at=NOW - timedelta(seconds=began),
        ended_at=NOW - timedelta(seconds=ended),
        is_cut_short=is_cut_short,
        outcome=Outcome(counts=Counts(total=executed, completed=executed), executed=executed),
    )


def many(pace: float, *, ended: float = 0.0) -> DeploymentRecord:
    """Of a deployment that has done so many requests a second for ten days."""
    seconds = 864_000
    return record_of([job(int(pace * seconds), seconds + ended, ended)])


def test_a_pace_is_what_was_done_in_the_time_in_which_there_were_jobs() -> None:
    """Jobs that were there at the same time share it, and a pause does not count."""
    record = record_of([job(100, 100, 50), job(50, 80, 40), job(10, 30, 20), job(5, 28, 22)])
    assert record.busy_seconds == 70
    assert requests_per_second({"east": record}, NOW) == {"east": pytest.approx(165 / 70)}


def test_what_was_cut_short_before_anything_ran_tells_nothing() -> None:
    assert record_of([job(0, 90, 10, is_cut_short=True)]).busy_seconds == 0
    assert record_of([job(1, 90, 10, is_cut_short=True)]).busy_seconds == 80
    assert record_of([job(0, 90, 10)]).busy_seconds == 80, "for it had the time"


def test_a_job_of_a_few_requests_tells_little() -> None:
    paces = requests_per_second({"east": many(10), "west": many(8), "new": record_of([job(1, 20, 0)])}, NOW)
    assert paces["east"] == pytest.approx(10, rel=0.01)
    assert paces["west"] == pytest.approx(8, rel=0.01)
    assert paces["new"] > 7


def test_nothing_is_known_of_a_deployment_without_jobs_of_the_last_day() -> None:
    records = {"east": many(10), "west": many(1, ended=LAPSE.total_seconds()), "new": record_of([])}
    assert requests_per_second(records, NOW).keys() == {"east"}
    assert requests_per_second({"new": record_of([])}, NOW) == {}
    assert requests_per_second({"stuck": record_of([job(0, 90, 10)])}, NOW) == {}


@given(seen=st.lists(st.floats(0.01, 1000), min_size=1, max_size=6))
def test_paces_keep_their_order_and_stay_between_the_extremes(seen: list[float]) -> None:
    records = {str(number): many(pace) for number, pace in enumerate(seen)}
    paces = requests_per_second(records, NOW)
    exact = {where: each.executed_requests / each.busy_seconds for where, each in records.items()}
    in_order = [paces[where] for where in sorted(exact, key=lambda where: exact[where])]
    assert in_order == sorted(in_order)
    assert min(exact.values()) * 0.999 <= min(paces.values())
    assert max(paces.values()) <= max(exact.values()) * 1.001


@given(began=st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500)), max_size=12))
def test_time_with_several_jobs_counts_once(began: list[tuple[int, int]]) -> None:
    spans = [(max(pair), min(pair)) for pair in began]
    busy = {second for since, until in spans for second in range(until, since)}
    assert record_of([job(1, *span) for span in spans]).busy_seconds == len(busy)
