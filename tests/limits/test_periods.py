"""The periods of budgets."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from litebatch_asgi.models.periods import BUDGET_DURATION, is_budget_duration, period_end, period_start

DAY = timedelta(days=1)
days = st.dates(date(1970, 1, 1), date(2200, 1, 1))
durations = (
    st.integers(1, 30).map(lambda number: f"{24 * number}h")
    | st.integers(1, 9999).map(lambda number: f"{number}d")
    | st.integers(1, 999).map(lambda number: f"{number}mo")
)


def period(duration: str, today: date) -> tuple[date, date]:
    start, end = period_start(duration, today), period_end(duration, today)
    assert start is not None
    assert end is not None
    return start, end


@given(durations, days)
@example("7d", date(1970, 1, 1))
@example("30d", date(2026, 12, 31))
@example("1mo", date(2028, 2, 29))
def test_each_day_is_in_one_period(duration: str, today: date) -> None:
    """It begins where the one before ends, and all its days say so."""
    start, end = period(duration, today)
    assert start <= today < end
    for day in (start, end - DAY):
        assert period(duration, day) == (start, end)
    assert period_start(duration, end) == end
    if start > date(1970, 1, 8):
        assert period_end(duration, start - DAY) == start


@given(st.integers(1, 9999), days)
def test_days_are_as_many_as_they_say(number: int, today: date) -> None:
    start, end = period(f"{number}d", today)
    if number == 30:
        assert (start.day, end.day) == (1, 1)
    else:
        assert end - start == number * DAY
    if number not in (7, 30):
        assert (start - date(1970, 1, 1)) % (number * DAY) == timedelta(0)


@given(st.integers(1, 999), days)
def test_months_are_as_many_as_they_say(number: int, today: date) -> None:
    start, end = period(f"{number}mo", today)
    assert (start.day, end.day) == (1, 1)
    assert 12 * (end.year - start.year) + end.month - start.month == number
    assert (12 * (start.year - 1970) + start.month - 1) % number == 0


@pytest.mark.parametrize(
    ("duration", "today", "start", "end"),
    [
        ("24h", "2026-03-01", "2026-03-01", "2026-03-02"),
        ("1d", "2028-02-29", "2028-02-29", "2028-03-01"),
        ("7d", "2026-11-29", "2026-11-23", "2026-11-30"),  # a Sunday
        ("168h", "2026-11-30", "2026-11-30", "2026-12-07"),
        ("30d", "2026-12-31", "2026-12-01", "2027-01-01"),
        ("720h", "2026-02-28", "2026-02-01", "2026-03-01"),
        ("1mo", "2028-02-29", "2028-02-01", "2028-03-01"),
        ("3mo", "2026-11-30", "2026-10-01", "2027-01-01"),
        ("12mo", "2026-11-30", "2026-01-01", "2027-01-01"),
        ("2d", "1970-01-04", "1970-01-03", "1970-01-05"),
    ],
)
def test_periods_stand_still_in_the_calendar(duration: str, today: str, start: str, end: str) -> None:
    found = period(duration, date.fromisoformat(today))
    assert found == (date.fromisoformat(start), date.fromisoformat(end))


def test_what_has_no_duration_lasts_for_ever() -> None:
    assert period_start(None, date(2026, 1, 1)) is None
    assert period_end(None, date(2026, 1, 1)) is None


@given(st.from_regex(r"[0-9]{1,5}(h|d|mo|m|s|w|y)", fullmatch=True) | st.text(max_size=5))
@example("12h")
@example("36h")
@example("744h")
@example("30d\n")
@example("٣d")
def test_nothing_else_is_a_duration(written: str) -> None:
    number, unit = written.rstrip("hdmo"), written.lstrip("0123456789")
    allowed = {"h": range(24, 721, 24), "d": range(1, 10_000), "mo": range(1, 1000)}.get(unit, range(0))
    expected = (
        number.isascii() and number.isdecimal() and number == str(int(number)) and int(number) in allowed
    )
    assert is_budget_duration(written) == expected == (BUDGET_DURATION.fullmatch(written) is not None)
    if not expected:
        with pytest.raises(ValueError, match="write 24h"):
            period_start(written, date(2026, 1, 1))
        with pytest.raises(ValueError, match="write 24h"):
            period_end(written, date(2026, 1, 1))
