"""Several processes keep below one limit together, while some of them come and go."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from litebatch_asgi.pacing import CATCH_UP_SECONDS, MINUTE, OVER, Pacer

SECONDS = 200.0


class Processes:
    """Three processes that take as much as they may, on one simulated clock."""

    def __init__(self, limit: int, alive: Sequence[int]) -> None:
        self.limit = limit
        self.alive = set(alive)
        self.pacers = [Pacer(limit, 0.0) for _ in range(3)]
        self.taken: list[float] = []
        self._learning: list[tuple[float, int]] = []
        for number, pacer in enumerate(self.pacers):
            pacer.share(len(self.alive) if number in self.alive else 0, 0.0)

    def run(self, until: float) -> None:
        """All that happens before that time."""
        while True:
            at, number = min(self._next_takes())
            learns_at, learner = min(self._learning, default=(math.inf, -1))
            if min(at, learns_at) >= until:
                return
            if learns_at <= at:
                self._learning.remove((learns_at, learner))
                if learner in self.alive:
                    self.pacers[learner].share(len(self.alive), learns_at)
                continue
            assert self.pacers[number].wait(at) == pytest.approx(0.0)
            self.pacers[number].take(1, at)
            self.taken.append(at)

    def change(self, number: int, now: float, delay: float, *, is_new: bool) -> None:
        """One comes, as a new process or the same as before, or goes; the others learn of it."""
        if number not in self.alive:
            self.alive.add(number)
            if is_new:
                self.pacers[number] = Pacer(self.limit, now)
            self.pacers[number].share(len(self.alive), now)
        elif len(self.alive) > 1:
            self.alive.remove(number)
            self.pacers[number].share(0, now)
        self._learning += [(now + delay, each) for each in self.alive - {number}]

    def _next_takes(self) -> list[tuple[float, int]]:
        now = self.taken[-1] if self.taken else 0.0
        return [(now + self.pacers[number].wait(now), number) for number in self.alive]

    @property
    def most_in_a_minute(self) -> int:
        return max(
            index + 1 - bisect_right(self.taken, at - MINUTE, 0, index + 1)
            for index, at in enumerate(self.taken)
        )


@settings(max_examples=40)
@given(
    limit=st.integers(60, 400),
    alive=st.sets(st.integers(0, 2), min_size=1),
    changes=st.lists(
        st.tuples(st.floats(0, SECONDS), st.integers(0, 2), st.floats(0, 1), st.booleans()), max_size=8
    ),
)
def test_no_minute_has_more_than_the_limit_whoever_comes_and_goes(
    limit: int, alive: set[int], changes: list[tuple[float, int, float, bool]]
) -> None:
    processes = Processes(limit, sorted(alive))
    for at, number, delay, is_new in sorted(changes):
        processes.run(at)
        processes.change(number, at, delay, is_new=is_new)
    processes.run(SECONDS)
    assert processes.most_in_a_minute <= max(1.02 * limit, limit + 1)


@settings(max_examples=25)
@given(limit=st.integers(60, 600), processes=st.integers(1, 3))
def test_nearly_all_of_the_limit_is_used(limit: int, processes: int) -> None:
    running = Processes(limit, range(processes))
    running.run(SECONDS)
    begun_at = max(2.0, processes * MINUTE / limit)
    assert len(running.taken) >= 0.95 * limit * (SECONDS - begun_at) / MINUTE
    assert running.most_in_a_minute <= OVER * limit


@settings(max_examples=15)
@given(limit=st.integers(3000, 12_000), late=st.floats(0, 0.4))
def test_waking_up_late_costs_nothing(limit: int, late: float) -> None:
    pacer, now, taken = Pacer(limit, 0.0), 0.0, 0
    while now < MINUTE:
        while pacer.wait(now) == 0.0:
            pacer.take(1, now)
            taken += 1
        now += pacer.wait(now) + late
    assert 0.95 * limit <= taken <= 1.02 * limit


def test_what_was_not_used_for_long_is_no_burst() -> None:
    pacer = Pacer(6000, 0.0)
    burst = 0
    while pacer.wait(3600.0) == 0.0:
        pacer.take(1, 3600.0)
        burst += 1
    assert burst <= 1 + CATCH_UP_SECONDS * 100


@given(st.lists(st.tuples(st.integers(1, 20_000), st.floats(0, 3)), min_size=1, max_size=60))
def test_tokens_are_corrected_by_what_was_used(requests: list[tuple[int, float]]) -> None:
    """As much as was used is paid for in the end, whatever was estimated."""
    limit = 60_000
    pacer, now, used = Pacer(limit, 0.0), 0.0, 0
    for estimate, factor in requests:
        now += pacer.wait(now)
        pacer.take(estimate, now)
        really = int(min(estimate * factor, limit))
        pacer.correct(really - estimate, now)
        used += really
        assert pacer.wait(now) <= MINUTE + 1e-6
    now += pacer.wait(now)
    assert used <= 1.02 * limit * (now + CATCH_UP_SECONDS) / MINUTE + len(requests)


def test_no_debt_stalls_for_longer_than_a_minute() -> None:
    pacer = Pacer(1000, 0.0)
    pacer.take(10_000_000, 0.0)
    assert pacer.wait(0.0) == MINUTE
    pacer.correct(5_000_000, 30.0)
    assert pacer.wait(30.0) == MINUTE


def test_fewer_than_one_a_minute_for_each_process_goes_on() -> None:
    processes = Processes(1, range(3))
    processes.run(3 * SECONDS)
    assert len(processes.taken) >= 5


@settings(max_examples=40)
@given(limit=st.integers(1, 59), number=st.integers(1, 3))
def test_small_limits_of_steady_processes_are_kept_as_far_as_each_has_one(limit: int, number: int) -> None:
    processes = Processes(limit, range(number))
    processes.run(SECONDS)
    assert processes.most_in_a_minute <= max(1.02 * limit, number)
