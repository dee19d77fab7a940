"""The model of many batches: what must hold of it whatever operations cost."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from benchmarks._scale_costs import Cost, Costs, measured
from benchmarks._scale_model import Simulation
from benchmarks._scale_parts import Outcome, Shape

FREE = Cost(wall=0.0, database=0.0, own=0.0)
NOTHING = Costs(**dict.fromkeys(Costs.__struct_fields__, FREE))
SMALL = Shape(batches=2000, deployments=4, replicas=3, ask_seconds=1e9, ended=0.0, call_seconds=0.01)


def cost(database: float, own: float = 0.0) -> Cost:
    return Cost(wall=0.0, database=database, own=own)


def run(shape: Shape, costs: Costs = NOTHING, seed: int = 1) -> Outcome:
    return Simulation(shape, costs, seed).run()


def test_what_is_free_is_looked_at_once_an_interval_by_one_read_of_each_list() -> None:
    found = run(SMALL)
    assert found.gap_median == pytest.approx(60, abs=2)
    assert found.gap_p99 < 63
    assert found.lists == 1
    assert found.provider_calls == pytest.approx(4 * 5 / 60, rel=0.05)  # 500 jobs are on 5 pages
    assert found.database_cores == found.due_cores == found.replica_cores == 0


@settings(max_examples=15)
@given(
    batches=st.integers(100, 20_000),
    deployments=st.integers(1, 8),
    replicas=st.integers(1, 6),
    interval=st.sampled_from([20.0, 60.0]),
    progressing=st.floats(0, 1),
    ended=st.floats(0, 2),
    seed=st.integers(0, 1000),
)
def test_no_job_is_lost_or_looked_at_too_often(
    batches: int,
    deployments: int,
    replicas: int,
    interval: float,
    progressing: float,
    ended: float,
    seed: int,
) -> None:
    shape = replace(
        SMALL,
        batches=batches,
        deployments=deployments,
        replicas=replicas,
        interval=interval,
        progressing=progressing,
        ended=ended,
    )
    simulation = Simulation(shape, NOTHING, seed)
    found = simulation.run()
    kept = simulation.kept()
    assert kept == deployments * (batches // deployments)
    assert found.gap_median >= interval / 2
    assert found.gap_p99 < 2 * interval + 10


def test_jobs_that_are_claimed_slowly_are_shared_and_each_list_is_read_more_often() -> None:
    slow = replace(NOTHING, claim=cost(400.0))
    many = replace(SMALL, batches=40_000, database_cores=16)
    shared, alone = run(many, slow), run(replace(many, is_alone=True), slow)
    assert shared.lists > 2 > alone.lists >= 1
    assert shared.provider_calls > 2 * alone.provider_calls


def test_asking_what_is_due_costs_more_while_jobs_are_claimed() -> None:
    costs = replace(NOTHING, due_beside_round=cost(20.0))
    slow = replace(SMALL, batches=40_000, call_seconds=0.1)
    assert run(slow, costs).due_cores > 0.01
    assert run(replace(slow, is_due_cheap=True), costs).due_cores == 0


def test_a_database_that_is_too_small_is_busy_and_looks_come_late() -> None:
    heavy = replace(NOTHING, note=cost(1000.0))
    found = run(replace(SMALL, batches=40_000, database_cores=1, progressing=1.0), heavy)
    assert found.database_cores == pytest.approx(1, abs=0.1)
    assert found.gap_p99 > 120


def test_clients_that_ask_have_jobs_looked_at_sooner() -> None:
    asked, patient = (run(replace(SMALL, ask_seconds=20.0, refresh_seconds=old)) for old in (10.0, 90.0))
    assert patient == replace(run(SMALL), database_calls=patient.database_calls)
    assert asked.gap_median < 30
    assert asked.provider_calls > 10 * run(SMALL).provider_calls
    assert math.isfinite(asked.gap_p99)


@pytest.mark.long
def test_costs_are_measured_on_a_real_database() -> None:
    costs = measured(jobs_each=1000)
    for name in Costs.__struct_fields__:
        cost: Cost = getattr(costs, name)
        assert min(cost.wall, cost.database, cost.own) >= 0
    assert costs.claim.wall > costs.read.wall > 0
    assert costs.claim.database > 0
    assert costs.page.own > 0
    assert math.isfinite(run(SMALL, costs).gap_p99)
