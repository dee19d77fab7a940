"""What refusals say of how many tokens a deployment takes, and which deployments are put off for that."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from litebatch_asgi.batches.targets import NoRoom, Tries
from litebatch_asgi.models import Job, StopReason
from litebatch_asgi.refusals import token_limit_in

OPENAI = (
    "Enqueued token limit reached for {model} in organization org-1. Limit: {limit} enqueued tokens. Please "
    "try again once some in_progress batches have been completed."
)
AZURE = (
    "The number of enqueued tokens has surpassed the configured limit of {limit} for the deployment "
    "'{model}'. Please either increase the limit or try again once the current jobs have finished."
)
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
where = st.sampled_from(["east", "west", "north"])
moments = st.integers(-3600, 3600).map(lambda seconds: NOW + timedelta(seconds=seconds))


@given(st.integers(1, 10**15), st.sampled_from([OPENAI, AZURE]), st.sampled_from(["{}", "{:,}", "{:_}"]))
def test_a_limit_is_read_out_of_a_refusal(limit: int, words: str, form: str) -> None:
    if words is AZURE and form == "{:_}":
        return
    said = words.format(limit=form.format(limit), model="gpt-4o-mini")
    for told in (said, said.lower(), f"the provider answered 400: {said}"):
        assert token_limit_in(told) == limit


@pytest.mark.parametrize(
    ("written", "tokens"),
    [("30K", 30_000), ("30 K", 30_000), ("1.5M", 1_500_000), ("2B", 2_000_000_000), ("30k", 30_000)],
)
def test_azure_shortens_its_limit(written: str, tokens: int) -> None:
    assert token_limit_in(AZURE.format(limit=written, model="d")) == tokens


@pytest.mark.parametrize(
    "said",
    [
        "",
        "Enqueued token limit reached.",
        OPENAI.format(limit="0", model="m"),
        OPENAI.format(limit=",", model="m"),
        AZURE.format(limit=".", model="m"),
        AZURE.format(limit="1.2.3M", model="m"),
        "Rate limit reached. Limit: 30 requests per minute.",
        "Limit: 2,000,000 enqueued tokens.",
        OPENAI.format(limit="5", model="m" * 400),
    ],
)
def test_other_words_tell_no_limit(said: str) -> None:
    assert token_limit_in(said) is None


@given(st.text())
def test_any_words_may_come(said: str) -> None:
    assert token_limit_in(said) is None or "enqueued" in said.lower()


@given(st.dictionaries(where, moments), st.sets(where), moments, st.sets(where))
def test_deployments_without_room_are_put_off(
    again_at: dict[str, datetime], full: set[str], until: datetime, ids: set[str]
) -> None:
    """Never brought forward, and the others stay as they were."""
    no_room = dict.fromkeys(full, NoRoom(limit=2, used=1))
    tries = Tries(again_at=again_at).without_room(no_room, until)
    assert tries.full == no_room
    for id_ in {*again_at, *full}:
        before = again_at.get(id_)
        expected = before if id_ not in full else max(until, before or until)
        assert tries.again_at[id_] == expected
    first = tries.first(sorted(ids), until - timedelta(microseconds=1))
    assert not full & set(first)


@given(st.lists(st.tuples(where, st.sampled_from([None, *StopReason]), st.integers(0, 1)), max_size=6))
def test_a_job_does_not_return_to_where_it_was_moved_away_from(
    stops: list[tuple[str, StopReason | None, int]],
) -> None:
    """Of another tile nothing is told by that."""
    jobs = [
        Job(
            id=f"job-{number}",
            batch_id="b",
            owner="o",
            root=root,
            shard=root,
            attempt=number,
            requests=1,
            deployment_id=deployment,
            stop_reason=reason,
            created_at=NOW,
        )
        for number, (deployment, reason, root) in enumerate(stops, start=1)
    ]
    waiting = Job(id="j", batch_id="b", owner="o", requests=1, attempt=9, created_at=NOW)
    tries = Tries.of(jobs, waiting, floor=1, ceiling=2)
    assert tries.left == {each for each, reason, root in stops if reason == StopReason.MOVED and root == 0}
