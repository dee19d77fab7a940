"""When a delivery is tried again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from litebatch_asgi import Settings
from litebatch_asgi.delivering.retries import FAILURES, Probing, retry_after

SETTINGS = Settings()
PAUSES, GIVE_UP = SETTINGS.delivery_retry_seconds, SETTINGS.delivery_give_up_seconds


@given(st.integers(0, 100), st.floats(0, 400_000))
def test_pauses_grow_until_it_is_given_up(attempts: int, age: float) -> None:
    wait = retry_after(attempts, age=age, pauses=PAUSES, give_up=GIVE_UP)
    if age >= GIVE_UP:
        assert wait is None
        return
    assert wait is not None
    pause = PAUSES[min(attempts, len(PAUSES) - 1)]
    assert 0 <= wait <= 1.1 * pause
    assert wait >= 0.9 * pause or wait == GIVE_UP - age


def test_a_sink_that_is_away_for_three_days_is_tried_some_ten_times() -> None:
    age, attempts = 0.0, 0
    while (wait := retry_after(attempts, age=age, pauses=PAUSES, give_up=GIVE_UP)) is not None:
        age, attempts = age + wait, attempts + 1
    assert age == pytest.approx(GIVE_UP)
    assert 7 <= attempts <= 9


async def test_a_sink_that_takes_nothing_gets_one_event_at_a_time() -> None:
    probing = Probing()
    for _ in range(FAILURES):
        assert probing.places(100) == 100
        probing.failed(1e9)
    assert probing.places(100) == 0
    probing.failed(-1e9)
    assert probing.places(100) == 1
    probing.succeeded()
    assert probing.places(100) == 100
