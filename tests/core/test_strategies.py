"""In which order deployments are tried."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from litebatch_asgi.strategies import (
    STRATEGIES,
    Candidate,
    earliest_finish,
    least_busy,
    power_of_two_choices,
)

paces = st.none() | st.floats(0.001, 1000)
weights = st.floats(0.01, 100)
seeds = st.text(max_size=8)


@st.composite
def candidates(draw: st.DrawFn, *, weight: st.SearchStrategy[float] = weights) -> list[Candidate]:
    requests = draw(st.integers(0, 50_000))
    return [
        Candidate(
            deployment_id=str(number),
            weight=draw(weight),
            open_requests=draw(st.integers(0, 10**6)),
            requests=requests,
            requests_per_second=draw(paces),
        )
        for number in range(draw(st.integers(1, 8)))
    ]


even = candidates(weight=st.just(1.0))


@pytest.mark.parametrize("name", STRATEGIES)
@given(offered=candidates(), seed=seeds)
def test_each_candidate_comes_once_and_a_seed_gives_one_order(
    name: str, offered: list[Candidate], seed: str
) -> None:
    ordered = STRATEGIES[name](offered, seed=seed)
    assert sorted(ordered, key=lambda each: each.deployment_id) == offered
    assert STRATEGIES[name](offered, seed=seed) == ordered


@given(offered=even, seed=seeds)
def test_who_would_be_through_first_comes_first(offered: list[Candidate], seed: str) -> None:
    known = [each for each in offered if each.requests_per_second is not None]
    ends = [
        (each.open_requests + each.requests) / each.requests_per_second
        for each in earliest_finish(known, seed=seed)
        if each.requests_per_second
    ]
    assert ends == sorted(ends)


@given(offered=even, seed=seeds, pace=st.floats(0.001, 1000))
def test_whose_pace_is_not_known_counts_as_the_quickest(
    offered: list[Candidate], seed: str, pace: float
) -> None:
    quickest = max((each.requests_per_second or 0.0 for each in offered), default=0.0) or pace
    told = [replace(each, requests_per_second=each.requests_per_second or quickest) for each in offered]
    names = [each.deployment_id for each in earliest_finish(told, seed=seed)]
    assert [each.deployment_id for each in earliest_finish(offered, seed=seed)] == names


@given(offered=even, seed=seeds)
def test_where_no_pace_is_known_the_least_busy_comes_first(offered: list[Candidate], seed: str) -> None:
    unknown = [replace(each, requests_per_second=None) for each in offered]
    assert earliest_finish(unknown, seed=seed) == least_busy(unknown, seed=seed)


@given(offered=candidates(), seed=seeds)
def test_weights_that_differ_count_in_place_of_paces(offered: list[Candidate], seed: str) -> None:
    offered = [replace(each, weight=each.weight + number * 200) for number, each in enumerate(offered)]
    if len(offered) > 1:
        assert earliest_finish(offered, seed=seed) == least_busy(offered, seed=seed)


@given(offered=candidates(), seed=seeds)
def test_the_less_busy_of_two_comes_first(offered: list[Candidate], seed: str) -> None:
    loads = [each.open_requests / each.weight for each in power_of_two_choices(offered, seed=seed)]
    assert loads[0] == min(loads[:2])


def test_a_job_goes_to_a_busy_deployment_that_is_quicker_all_the_same() -> None:
    quick = Candidate(
        deployment_id="quick", weight=1, open_requests=900, requests=100, requests_per_second=10.0
    )
    idle = replace(quick, deployment_id="idle", open_requests=0, requests_per_second=0.5)
    assert earliest_finish([idle, quick], seed="s") == [quick, idle]
    assert least_busy([idle, quick], seed="s") == [idle, quick]
