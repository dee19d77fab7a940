"""Which spend is looked at: some days, by what it is put together, and of whom or what."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import msgspec
from msgspec.structs import replace

from litebatch_asgi.errors import InvalidRequest
from litebatch_asgi.models import Principal, SpendField
from litebatch_asgi.page.visit import Visit
from litebatch_asgi.wire import SpendAsked, checks
from litebatch_asgi.wire.spend import MAX_ROWS

PATH = "/spend"
CSV_PATH = "/spend/csv"
RANGES = (7, 30, 90)
"""days up to today that there are links to"""
MOST_DAYS = 366
"""that are shown together"""
FIELDS: Mapping[SpendField, str] = {
    SpendField.MODEL: "Model",
    SpendField.OWNER: "Owner",
    SpendField.KEY: "Key",
    SpendField.TEAM: "Team",
    SpendField.DEPLOYMENT: "Deployment",
}
"""by what it may be put together, and what that is called"""
_FOR_ADMINS = frozenset({SpendField.OWNER, SpendField.TEAM, SpendField.DEPLOYMENT})


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What the address of the page says."""

    by: SpendField
    start: date
    end: date
    """the last day, which counts"""
    only: Mapping[str, str]
    """what it is narrowed down to, such as `owner`"""

    @property
    def days(self) -> int:
        """How many there are."""
        return (self.end - self.start).days + 1

    def query(self, *fields: SpendField) -> SpendAsked:
        """What the service is asked for, put together by these. Raises `InvalidRequest`."""
        only: Mapping[str, Any] = self.only
        start, end = self.start.isoformat(), self.end.isoformat()
        return SpendAsked(group_by=fields, start_date=start, end_date=end, limit=MAX_ROWS, **only)

    def narrowed(self, value: str) -> Asked:
        """The same of one of those that it is put together by alone."""
        return replace(self, only={**self.only, self.by.value: value})

    def address(self, **changed: str | None) -> dict[str, str | None]:
        """The query of an address of the same, with changes."""
        days = {"from": self.start.isoformat(), "to": self.end.isoformat()}
        return {**days, "by": self.by.value, **self.only, **changed}


def parse(visit: Visit) -> Asked:
    """What is asked for. Raises `InvalidRequest` with the parameter that is wrong."""
    query = visit.query
    by = SpendField(checks.one_of(list(FIELDS), query.get("by") or SpendField.MODEL.value, "by"))
    today = visit.now.date()
    end = _day(query.get("to"), "to") or today
    days = _days(query.get("days"))
    start = _day(query.get("from"), "from") or date.fromordinal(max(1, end.toordinal() - days + 1))
    if start > end:
        raise InvalidRequest(f"{start} is after {end}.", param="from")
    if end - start >= timedelta(days=MOST_DAYS):
        raise InvalidRequest(f"At most {MOST_DAYS} days are shown together.", param="from")
    only = {field.value: query[field] for field in FIELDS if query.get(field)}
    return Asked(by=by, start=start, end=end, only=only)


def fields_for(principal: Principal) -> list[SpendField]:
    """By what somebody may have it put together with any use."""
    return [field for field in FIELDS if principal.is_admin or field not in _FOR_ADMINS]


def _days(given: str | None) -> int:
    days = checks.integer(given, "days") if given else RANGES[1]
    return checks.in_range(days, "days", 1, MOST_DAYS)


def _day(given: str | None, param: str) -> date | None:
    try:
        return date.fromisoformat(given) if given else None
    except ValueError as error:
        told = f"'{given[:100] if given else ''}' is no day. Write one such as 2026-01-31."
        raise InvalidRequest(told, param=param) from error
