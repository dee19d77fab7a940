"""How long a budget lasts before it begins anew, in whole UTC days.

Periods stand still in the calendar, so that everybody sees the same one: a day begins at midnight, `7d` on
Monday, `30d` and `1mo` on the first of the month. Other days and months are counted in blocks from the first
of January 1970. Source of the first three: LiteLLM's standardised resets of `budget_duration`.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from string import ascii_lowercase, digits

BUDGET_DURATION = re.compile(
    rf"(?:{'|'.join(str(24 * days) for days in range(1, 31))})h|[1-9][0-9]{{0,3}}d|[1-9][0-9]{{0,2}}mo"
)
BUDGET_DURATIONS = "24h or other whole days in hours up to 720h, 1d to 9999d, 1mo to 999mo"
"""what may be written, for messages"""

_ZERO = date(1970, 1, 1)
_DAY = timedelta(days=1)


def is_budget_duration(duration: str) -> bool:
    """Whether it is written as a duration of budgets is."""
    return BUDGET_DURATION.fullmatch(duration) is not None


def period_start(duration: str | None, today: date) -> date | None:
    """The first UTC day of the period that `today` is in; None, of no duration: it has always lasted.

    Raises `ValueError` for what is no duration.
    """
    return None if duration is None else _bounds(duration, today)[0]


def period_end(duration: str | None, today: date) -> date | None:
    """The first UTC day of the period after the one that `today` is in, see `period_start`; None: never."""
    return None if duration is None else _bounds(duration, today)[1]


def reset_at(duration: str | None, now: datetime) -> datetime | None:
    """When the period that `now` is in ends; None: never. See `period_start`."""
    end = period_end(duration, now.astimezone(UTC).date())
    return None if end is None else datetime.combine(end, time(), UTC)


def _bounds(duration: str, today: date) -> tuple[date, date]:
    if not is_budget_duration(duration):
        raise ValueError(f"'{duration[:100]}' is no duration of a budget: write {BUDGET_DURATIONS}")
    number, unit = int(duration.rstrip(ascii_lowercase)), duration.lstrip(digits)
    if unit == "h":
        number, unit = number // 24, "d"
    if (number, unit) == (30, "d"):
        number, unit = 1, "mo"
    return _months(number, today) if unit == "mo" else _days(number, today)


def _days(number: int, today: date) -> tuple[date, date]:
    into = today.weekday() if number == 7 else (today - _ZERO).days % number
    start = today - into * _DAY
    return start, start + number * _DAY


def _months(number: int, today: date) -> tuple[date, date]:
    month = 12 * today.year + today.month - 1
    first = month - (month - 12 * _ZERO.year) % number
    return _first_of(first), _first_of(first + number)


def _first_of(month: int) -> date:
    return date(month // 12, month % 12 + 1, 1)
