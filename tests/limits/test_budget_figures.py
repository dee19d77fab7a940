"""Budgets by themselves: what fits, and what is said of what does not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from litebatch_asgi import Limits
from litebatch_asgi.errors import AboveBudget, BudgetExceeded, ConfigError, dollars
from litebatch_asgi.models import Held, Reservation
from litebatch_asgi.models.reservations import SoftBudgetPassed, reservations
from litebatch_asgi.routes.respond import error_answer

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
money = st.decimals(0, 10**9, places=9)


def reservation(cost: Decimal | None, at: datetime = NOON, **fields: Any) -> Reservation:
    limits = Limits(scope="team:search", **fields)
    return Reservation(scope=limits.scope, requests=1, tokens=1, cost=cost, at=at, limits=(limits,))


def refusal(cost: str, spent: str, reserved: str, at: datetime = NOON, **fields: Any) -> BudgetExceeded:
    asked = reservation(Decimal(cost), at, **fields)
    [since] = asked.periods
    with pytest.raises(BudgetExceeded) as refused:
        asked.check(Held(spent=Decimal(spent), cost=Decimal(reserved)), since)
    return refused.value


@given(limit=money, spent=money | money.map(lambda each: -each), reserved=money, cost=money)
def test_what_fits_is_what_adds_up(limit: Decimal, spent: Decimal, reserved: Decimal, cost: Decimal) -> None:
    asked = reservation(cost, max_budget=limit)
    held = Held(spent=spent, cost=reserved)
    nano = [int(each.scaleb(9)) for each in (max(spent, Decimal(0)), reserved, cost, limit)]
    if nano[2] > nano[3] and sum(nano[:3]) > nano[3]:
        with pytest.raises(AboveBudget):
            asked.check(held)
    elif sum(nano[:3]) > nano[3]:
        with pytest.raises(BudgetExceeded):
            asked.check(held)
    else:
        asked.check(held)


def test_the_figures_are_told() -> None:
    error = refusal("1.5", "7.25", "2", max_budget=Decimal("10.00"), budget_duration="1mo")
    assert error.message == (
        "max_budget of team:search is 10: 7.25 spent, 2 reserved by open batches, 1.5 estimated for this "
        "one, 0.75 would fit now, all in US dollars. It begins anew at 2026-12-01T00:00:00Z. Room may appear "
        "before, when open batches end that cost less than they reserve."
    )
    body = msgspec.json.decode(bytes(error_answer(error).body))
    assert body["error"] == {
        "message": error.message,
        "type": "rate_limit_error",
        "param": "max_budget",
        "code": "budget_exceeded",
        "budget": {
            "limit": "10",
            "estimate": "1.5",
            "spent": "7.25",
            "reserved": "2",
            "budget_reset_at": "2026-12-01T00:00:00+00:00",
        },
    }


@pytest.mark.parametrize(
    ("spent", "reserved", "duration", "at", "retry_after", "should_retry"),
    [
        ("1", "9", None, NOON, "600", "false"),  # others may cost less than their estimates, in a while
        ("1", "9", "1mo", NOON, "600", "false"),
        ("1", "9", "1mo", NOON + timedelta(hours=11, minutes=59, seconds=20), "40", None),
        ("10", "0", None, NOON, "3600", "false"),
        ("10", "0", "1mo", NOON, "43200", "false"),
        ("10", "0", "7d", NOON, "561600", "false"),
        ("10", "0", "1mo", NOON + timedelta(hours=11.5), "1800", "false"),
        ("10", "0", "1mo", NOON + timedelta(hours=11, minutes=59, seconds=20), "40", None),
    ],
)
def test_the_stock_clients_try_again_where_that_may_help(
    spent: str,
    reserved: str,
    duration: str | None,
    at: datetime,
    retry_after: str,
    should_retry: str | None,
) -> None:
    error = refusal("1", spent, reserved, at, max_budget=Decimal(10), budget_duration=duration)
    headers = error_answer(error).headers
    assert (headers.get("retry-after"), headers.get("x-should-retry")) == (retry_after, should_retry)


def test_what_waits_for_open_batches_says_so() -> None:
    """Their end may help long before the budget begins anew, or though it never does."""
    waiting = refusal("1", "1", "9", max_budget=Decimal(10))
    assert "It never begins anew. Room may appear before, when open batches end" in waiting.message
    assert "Room may appear" not in refusal("1", "10", "0", max_budget=Decimal(10)).message


def test_a_budget_is_of_its_period_in_utc() -> None:
    late = datetime.fromisoformat("2026-12-01T01:30:00+02:00")
    assert reservation(None, late, budget_duration="30d").periods == (NOON.date().replace(day=1),)


def test_soft_budgets_are_told() -> None:
    passed: list[SoftBudgetPassed] = []
    soft = Limits(scope="a", soft_budget=Decimal(1))
    [asked] = reservations(
        [soft], requests=1, tokens=1, cost=Decimal("0.5"), at=NOON, on_soft_budget=passed.append
    )
    asked.check(Held(spent=Decimal("0.5")))
    assert passed == []
    asked.check(Held(spent=Decimal("0.500000001")))
    assert [each.limits for each in passed] == [soft]


def test_what_has_no_price_reserves_nothing() -> None:
    reservation(None, max_budget=Decimal(1)).check(Held(spent=Decimal(1)))


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"max_budget": 10.5}, r"^max_budget of 'team:search' is 10\.5: write a Decimal"),
        ({"max_budget": 10}, r"^max_budget of 'team:search' is 10: write a Decimal"),
        ({"soft_budget": Decimal(-1)}, r"^soft_budget of 'team:search' is Decimal\('-1'\): write"),
        ({"soft_budget": Decimal("NaN")}, "write a Decimal of at least 0"),
        ({"max_budget": Decimal("inf")}, "write a Decimal of at least 0"),
        ({"budget_duration": "12h"}, r"^budget_duration of 'team:search' is '12h': write 24h"),
        ({"budget_duration": "1y"}, "1d to 9999d, 1mo to 999mo"),
    ],
)
def test_limits_that_cannot_be_are_refused_where_they_are_made(fields: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        Limits(scope="team:search", **fields)


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("10", "10"),
        ("1E+3", "1000"),
        ("0.10", "0.1"),
        ("1E-9", "0.000000001"),
        ("-1.50", "-1.5"),
        ("0.0", "0"),
    ],
)
def test_dollars_are_told_in_digits(amount: str, text: str) -> None:
    assert dollars(Decimal(amount)) == text
