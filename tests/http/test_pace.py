"""How fast uploads have to come, by arithmetic alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from litebatch_asgi.models import Settings
from litebatch_asgi.routes.pace import UploadPace

GRACE, RATE, MOST = 10.0, 100.0, 1000.0
SETTINGS = Settings(upload_grace_seconds=GRACE, min_upload_bytes_per_second=RATE, max_upload_seconds=MOST)
ROUNDING = 1e-6
pieces = st.lists(st.tuples(st.floats(0, 2 * GRACE), st.integers(0, 5000)), max_size=200)


def received(pieces: list[tuple[float, int]], began: float = 0.0) -> tuple[float, int]:
    """How long a client is waited for that sends these pieces, each so long after the other; its bytes."""
    pace, now, size = UploadPace(SETTINGS, began), began, 0
    for pause, count in pieces:
        left = pace.left(now)
        if pause > left:
            return now + left - began, size
        now += pause
        size += count
        pace.received(count, waited=pause)
    return now + pace.left(now) - began, size


@given(pieces, st.floats(0, 1e6))
def test_whoever_is_waited_for_has_sent_enough(pieces: list[tuple[float, int]], began: float) -> None:
    waited, size = received(pieces, began)
    assert waited <= MOST + ROUNDING
    assert size >= (waited - GRACE) * RATE - ROUNDING * RATE


@given(st.lists(st.floats(0, GRACE), max_size=50), st.integers(0, 1000))
def test_who_keeps_the_rate_is_waited_for(pauses: list[float], more: int) -> None:
    steady = [(pause, int(pause * RATE) + 1 + more) for pause in pauses]
    waited, size = received(steady)
    assert size == sum(count for _, count in steady)
    assert waited >= min(sum(pauses) + GRACE, MOST) - ROUNDING


def test_what_came_at_once_buys_no_silence_beyond_the_grace() -> None:
    assert received([(0.0, 10**9)])[0] == GRACE


@pytest.mark.parametrize("count", [0, 1])
def test_a_byte_now_and_then_is_not_enough(count: int) -> None:
    waited, _ = received([(GRACE / 10, count)] * 1000)
    assert waited == pytest.approx(GRACE, rel=0.05)


def test_what_is_said_names_the_limit() -> None:
    pace = UploadPace(SETTINGS, 5.0)
    assert "less than 100 bytes a second for 10 seconds" in pace.refusal(15.0).message
    assert "within 1000 seconds" in pace.refusal(1005.0).message
