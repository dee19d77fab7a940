"""How long a key lives, as LiteLLM writes it: `30s`, `30m`, `30h`, `30d`, `2w`, `2mo`."""

from __future__ import annotations

import calendar
import re
from datetime import datetime, timedelta
from string import ascii_lowercase, digits

from litebatch_asgi.errors import InvalidRequest

FOR_EVER = "-1"
"""Source: LiteLLM's `duration` when a key that expires is to do so no more."""
DURATION = re.compile(rf"{FOR_EVER}|[1-9][0-9]{{0,5}}[smhd]|[1-9][0-9]{{0,4}}w|[1-9][0-9]{{0,3}}mo")
"""as long as years have four digits"""
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def check_duration(duration: str) -> None:
    """Raises `InvalidRequest` for what is no duration."""
    if DURATION.fullmatch(duration) is None:
        raise InvalidRequest(
            f"Invalid 'duration': '{duration[:100]}' is none. Write a whole number and its unit: 30s, 30m, "
            f"12h, 30d, 2w or 2mo; or {FOR_EVER} for a key that never expires.",
            param="duration",
            code="invalid_value",
        )


def expiry(duration: str | None, now: datetime) -> datetime | None:
    """When it has passed; None: never. Raises `InvalidRequest` for what is no duration."""
    if duration is None or duration == FOR_EVER:
        return None
    check_duration(duration)
    number, unit = int(duration.rstrip(ascii_lowercase)), duration.lstrip(digits)
    return _months_on(now, number) if unit == "mo" else now + timedelta(seconds=number * _SECONDS[unit])


def _months_on(now: datetime, months: int) -> datetime:
    """The same day, or the last one of a shorter month."""
    years, month = divmod(now.month - 1 + months, 12)
    year = now.year + years
    day = min(now.day, calendar.monthrange(year, month + 1)[1])
    return now.replace(year=year, month=month + 1, day=day)
