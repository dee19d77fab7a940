"""How load control follows what a server does."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from litebatch_asgi.load import IN_A_ROW, Begun, LoadControl, Outcome, outcome_of_status
from litebatch_asgi.models import RateHints

OK = Outcome.ANSWERED
FAILURES = (Outcome.BUSY, Outcome.FAILED, Outcome.UNAVAILABLE, Outcome.CUT, Outcome.SILENT)


def control_of(most: int = 32, **limits: int) -> LoadControl:
    return LoadControl(most=most, now=0.0, **limits)


def run_up(control: LoadControl, now: float = 0.0, rounds: int = 8) -> float:
    """Rounds of success, until the limit is at its ceiling; one a second."""
    for _ in range(rounds):
        begun: list[Begun] = []
        while control.wait(now) == 0.0:
            begun.append(control.begin(now))
        now += 1.0
        for each in begun:
            control.end(each, now, OK)
    return now


class Server:
    """Requests against a server that says what becomes of each, on a simulated clock."""

    def __init__(
        self,
        control: LoadControl,
        answers: Callable[[float], Outcome],
        *,
        seconds: float = 1.0,
        seed: int = 0,
    ) -> None:
        self.control = control
        self.now = 0.0
        self.begun_at: list[float] = []
        self._answers = answers
        self._seconds = seconds
        self._random = random.Random(seed)
        self._running: list[tuple[float, int, Begun]] = []

    def run(self, until: float) -> None:
        control = self.control
        while self.now < until:
            wait = control.wait(self.now)
            if wait == 0.0:
                begun = control.begin(self.now)
                self.begun_at.append(self.now)
                failed = self._answers(self.now) is not OK
                takes = self._seconds * self._random.uniform(0.5, 1.5) * (0.02 if failed else 1.0)
                heapq.heappush(self._running, (self.now + takes, begun.number, begun))
                continue
            ends_at = self._running[0][0] if self._running else until
            self.now = min(self.now + wait, ends_at)
            if self._running and self.now >= ends_at:
                _, _, begun = heapq.heappop(self._running)
                control.end(begun, self.now, self._answers(self.now))


def test_what_is_in_flight_doubles_until_the_ceiling() -> None:
    control = control_of()
    seen: list[int] = []
    for now in range(5):
        seen.append(control.limit)
        run_up(control, float(now), rounds=1)
    assert seen == [4, 8, 16, 32, 32]


@pytest.mark.parametrize("outcome", FAILURES)
def test_a_failure_halves_once_in_a_round_trip(outcome: Outcome) -> None:
    control = control_of()
    now = run_up(control)
    begun = [control.begin(now) for _ in range(8)]
    for each in begun[:3]:
        control.end(each, now, outcome)
    assert control.limit == 16
    later = control.begin(now)
    control.end(later, now, outcome)
    assert control.limit == 8


def test_about_one_more_after_as_many_successes() -> None:
    control = control_of(most=1000)
    now = run_up(control, rounds=6)
    control.end(control.begin(now), now, Outcome.CUT)
    before = control.limit
    for _ in range(before):
        control.end(control.begin(now), now, OK)
    assert control.limit - before in (0, 1)


@given(st.lists(st.sampled_from([OK, *FAILURES, Outcome.AWAY, Outcome.ABANDONED]), max_size=60))
def test_the_limit_stays_between_one_and_the_ceiling(outcomes: list[Outcome]) -> None:
    control = control_of(most=10)
    control.share(3, 0.0)
    for now, outcome in enumerate(outcomes):
        control.end(control.begin(now), now, outcome)
        assert 1 <= control.limit <= 3
    assert control.in_flight == 0


@given(most=st.integers(1, 100), processes=st.integers(0, 200))
def test_each_process_may_have_its_part_of_what_is_in_flight_and_one_at_least(
    most: int, processes: int
) -> None:
    control = control_of(most)
    control.share(processes, 0.0)
    run_up(control, rounds=12)
    assert control.limit == max(1, most // max(1, processes))


@pytest.mark.parametrize("seconds", [0.2, 1.0, 8.0])
@pytest.mark.parametrize("share", [0.5, 1.0])
def test_full_speed_is_back_within_a_minute_after_a_storm_of_429(seconds: float, share: float) -> None:
    storm = random.Random(1)
    server = Server(
        control_of(),
        lambda now: Outcome.BUSY if 30 <= now < 150 and storm.random() < share else OK,
        seconds=seconds,
    )
    server.run(150.0)
    # Only a lucky success can be in flight beside these.
    assert server.control.limit <= 16
    asked = sum(1 for at in server.begun_at if 60 <= at < 150)
    assert share < 1.0 or asked <= 10
    server.run(210.0)
    assert server.control.limit == 32


def test_a_retry_after_pauses_for_as_long_as_it_says() -> None:
    control = control_of()
    control.end(control.begin(0.0), 0.0, Outcome.BUSY, hints=RateHints(retry_after=20.0))
    assert control.wait(0.0) == 20.0
    assert control.wait(19.0) == pytest.approx(1.0)
    assert control.wait(20.0) == 0.0


@pytest.mark.parametrize(("told", "waited"), [(0.0, 1.0), (-5.0, 1.0), (1e9, 3600.0)])
def test_a_retry_after_has_bounds(told: float, waited: float) -> None:
    control = control_of()
    control.end(control.begin(0.0), 0.0, Outcome.UNAVAILABLE, hints=RateHints(retry_after=told))
    assert control.wait(0.0) == waited


def test_a_retry_after_with_success_is_none() -> None:
    control = control_of()
    control.end(control.begin(0.0), 0.0, OK, hints=RateHints(retry_after=20.0))
    assert control.wait(0.0) == 0.0


@pytest.mark.parametrize(
    ("hints", "seconds"),
    [
        (RateHints(requests_left=0, requests_reset=12.0), 12.0),
        (RateHints(tokens_left=0, tokens_reset=0.5), 0.5),
        (RateHints(requests_left=0, requests_reset=2.0, tokens_left=0, tokens_reset=30.0), 30.0),
        (RateHints(requests_left=1, requests_reset=12.0), 0.0),
        (RateHints(requests_left=0), 0.0),
        (RateHints(requests_left=0, requests_reset=1e7), 3600.0),
    ],
)
def test_nothing_is_sent_before_the_reset_where_nothing_is_left(hints: RateHints, seconds: float) -> None:
    control = control_of()
    control.end(control.begin(0.0), 0.0, OK, hints=hints)
    assert control.wait(0.0) == seconds


def test_a_server_that_is_away_is_asked_by_one_request_at_a_time() -> None:
    control = control_of()
    now = run_up(control)
    first, second = control.begin(now), control.begin(now)
    control.end(first, now, Outcome.AWAY)
    control.end(second, now, Outcome.AWAY)
    assert control.is_down
    pauses: list[float] = []
    for _ in range(9):
        pauses.append(control.wait(now))
        now += pauses[-1]
        probe = control.begin(now)
        assert control.wait(now) > 0
        control.end(probe, now, Outcome.AWAY)
        assert not control.attempt_counts(Outcome.AWAY)
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    now += 60
    control.end(control.begin(now), now, OK)
    assert not control.is_down
    assert control.wait(now) == 0.0
    run_up(control, now)
    assert control.limit == 32


@pytest.mark.parametrize(
    ("outcome", "is_down", "is_refusing"),
    [(Outcome.UNAVAILABLE, True, False), (Outcome.BUSY, False, True), (Outcome.FAILED, False, False)],
)
def test_what_happens_to_different_requests_in_a_row_is_no_fault_of_theirs(
    outcome: Outcome, is_down: bool, is_refusing: bool
) -> None:
    control = control_of()
    counted: list[bool] = []
    for line in range(8):
        control.end(control.begin(0.0, key=line), 0.0, outcome)
        counted.append(control.attempt_counts(outcome))
    assert (control.is_down, control.is_refusing) == (is_down, is_refusing)
    forgiven = is_down or is_refusing
    assert counted == [not forgiven or line < IN_A_ROW - 1 for line in range(8)]
    control.end(control.begin(0.0), 0.0, OK)
    assert (control.is_down, control.is_refusing) == (False, False)


@pytest.mark.parametrize("outcome", [Outcome.UNAVAILABLE, Outcome.BUSY])
def test_one_request_that_fails_again_and_again_has_failed(outcome: Outcome) -> None:
    control = control_of()
    for _ in range(20):
        control.end(control.begin(0.0, key="same"), 0.0, outcome)
        assert control.attempt_counts(outcome)
    assert (control.is_down, control.is_refusing) == (False, False)


@pytest.mark.parametrize("outcome", [Outcome.CUT, Outcome.SILENT, Outcome.FAILED])
def test_a_line_that_may_have_killed_the_server_is_counted_even_while_it_is_down(outcome: Outcome) -> None:
    control = control_of()
    control.end(control.begin(0.0), 0.0, Outcome.AWAY)
    control.end(control.begin(1.0), 1.0, outcome)
    assert control.is_down
    assert control.attempt_counts(outcome)
    assert not control.attempt_counts(Outcome.ABANDONED)


def test_an_abandoned_request_only_makes_room() -> None:
    control = control_of(most=1)
    begun = control.begin(0.0)
    assert control.wait(0.0) > 0
    control.end(begun, 0.0, Outcome.ABANDONED)
    assert control.wait(0.0) == 0.0


def test_requests_keep_to_their_pace() -> None:
    server = Server(control_of(rpm=120), lambda _: OK)
    server.run(300.0)
    assert 0.95 * 120 * 5 <= len(server.begun_at) <= 120 * 5


def test_tokens_keep_to_their_pace() -> None:
    control, now, used = control_of(tpm=60_000), 0.0, 0
    while now < 300.0:
        wait = control.wait(now, 2000)
        if wait:
            now += wait
            continue
        begun = control.begin(now, 2000)
        control.end(begun, now, OK, tokens_used=500)
        used += 500
    assert 0.95 * 60_000 * 5 <= used <= 1.02 * 60_000 * 5


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        *((status, OK) for status in (200, 201, 302, 400, 401, 404, 422, 499)),
        (408, Outcome.FAILED),
        *((status, Outcome.BUSY) for status in (429, 529)),
        (500, Outcome.FAILED),
        (501, Outcome.FAILED),
        *((status, Outcome.UNAVAILABLE) for status in (502, 503, 504, 521, 522, 523)),
        *((status, Outcome.FAILED) for status in (520, 524, 530)),
    ],
)
def test_what_a_status_says_of_the_server(status: int, outcome: Outcome) -> None:
    assert outcome_of_status(status) is outcome


@pytest.mark.parametrize("outcome", [Outcome.AWAY, Outcome.UNAVAILABLE, Outcome.BUSY])
def test_who_takes_nothing_rests_until_a_probe_has_told_of_it(outcome: Outcome) -> None:
    control, now = control_of(), 0.0
    assert control.rests_for(now) == 0
    for key in range(IN_A_ROW):
        control.end(control.begin(now, key=key), now, outcome)
    for _ in range(10):
        rests_until = now + control.rests_for(now)
        now += control.wait(now)
        probe = control.begin(now, key="probe")
        assert rests_until > now
        control.end(probe, now + 1, outcome)
        now += 1
    control.end(control.begin(now), now, OK)
    assert control.rests_for(now) == 0
