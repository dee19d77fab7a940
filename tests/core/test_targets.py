"""Which deployments a shard may go to after it was refused, by property."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from litebatch_asgi.batches.targets import Tries
from litebatch_asgi.models import Job, JobState

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
FLOOR, CEILING = 5.0, 60.0
ended = st.builds(
    Job,
    id=st.uuids().map(str),
    batch_id=st.just("b"),
    shard=st.integers(0, 1),
    requests=st.just(1),
    state=st.sampled_from(JobState),
    deployment_id=st.sampled_from([None, "east", "west", "north"]),
    submit_started_at=st.none() | st.integers(0, 3600).map(lambda ago: NOW - timedelta(seconds=ago)),
    created_at=st.just(NOW),
)


def waiting(attempt: int) -> Job:
    return Job(id="j", batch_id="b", owner="o", requests=1, attempt=attempt, created_at=NOW)


def tries(jobs: list[Job], attempt: int) -> Tries:
    return Tries.of(jobs, waiting(attempt), floor=FLOOR, ceiling=CEILING)


@given(st.lists(ended, max_size=8), st.integers(1, 50), st.sets(st.sampled_from(["east", "west", "north"])))
def test_whoever_was_not_tried_comes_first(jobs: list[Job], attempt: int, ids: set[str]) -> None:
    known = tries(jobs, attempt).again_at
    first = tries(jobs, attempt).first(sorted(ids), NOW)
    assert set(first) <= ids
    if ids - known.keys():
        assert set(first) == ids - known.keys()
    else:
        assert all(known[id_] <= NOW for id_ in first)
        assert all(known[id_] > NOW for id_ in ids - set(first))


@given(st.lists(ended, max_size=8), st.integers(1, 50))
def test_a_pause_is_within_its_bounds_and_never_shorter_later(jobs: list[Job], attempt: int) -> None:
    sooner, later = tries(jobs, attempt).again_at, tries(jobs, attempt + 1).again_at
    assert sooner.keys() == later.keys()
    for where, moment in sooner.items():
        last = max(
            each.submit_started_at or NOW for each in jobs if each.deployment_id == where and in_way(each)
        )
        assert timedelta(seconds=FLOOR) <= moment - last <= timedelta(seconds=CEILING)
        assert moment <= later[where]


def in_way(job: Job) -> bool:
    without_result = job.state in (JobState.REFUSED, JobState.WATCHED, JobState.CLOSED)
    return job.shard == 0 and without_result and job.submit_started_at is not None
