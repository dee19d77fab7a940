"""How long a key lives, as LiteLLM writes it: `30s`, `30m`, `30h`, `30d`, `2w`, `2mo`."""

from __future__ import annotations

import calendar
import re
from datetime import datetime, timedelta

from litebatch_asgi.errors import InvalidRequest

_DURATION = re.compile(r"([1-9][0-9]{0,5})(s|m|h|d|w|mo)")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
FOR_EVER = "-1"
"""Source: LiteLLM's `duration` when a key that expires is to do so no more."""


def expiry(duration: str | None, now: datetime) -> datetime | None:
    """When it has passed; None: never. Raises `InvalidRequest` for what is no duration."""
    if duration is None or duration == FOR_EVER:
        return None
    found = _DURATION.fullmatch(duration)
    if found is None:
        raise _no_duration(duration)
    number, unit = int(found[1]), found[2]
    try:
        return _months_on(now, number) if unit == "mo" else now + timedelta(seconds=number * _SECONDS[unit])
    except (OverflowError, ValueError) as error:
        raise _no_duration(duration) from error


def _months_on(now: datetime, months: int) -> datetime:
    """The same day, or the last one of a shorter month."""
    years, month = divmod(now.month - 1 + months, 12)
    year = now.year + years
    day = min(now.day, calendar.monthrange(year, month + 1)[1])
    return now.replace(year=year, month=month + 1, day=day)


def _no_duration(duration: str) -> InvalidRequest:
    return InvalidRequest(
        f"Invalid 'duration': '{duration[:100]}' is none, such as 30s, 30m, 30h, 30d, 2w or 2mo.",
        param="duration",
        code="invalid_value",
    )
