"""Budgets as they are kept with their scopes, and what is told of them to operators.

`budget.soft`: more was charged to the scope in this period than its soft budget. `budget.reached`: as much as
its budget was charged, or a batch was refused for it. Each is told once a scope, duration and period, and
to sinks of operators alone. The payload of both, with amounts of US dollars as texts:

- `scope`, and `whose` limits these are in words
- `limit`: the budget, `spent`: what was charged in the period
- `budget_duration`, such as `30d`, `period_start`, the first UTC day, and `reset_at`, the end; None: for ever
- `reason`: `spent`, or `refused` with what open batches have `reserved` and the `estimate` of the refused one
- `message`: a sentence
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import msgspec

from litebatch_asgi.errors import dollars
from litebatch_asgi.models.events import Event
from litebatch_asgi.models.ids import EVENT_PREFIX, new_id
from litebatch_asgi.models.limits import Limits
from litebatch_asgi.models.periods import period_start, reset_at
from litebatch_asgi.models.reservations import OverBudget, Reservation
from litebatch_asgi.models.tellings import Telling

SOFT, REACHED = "budget.soft", "budget.reached"


class ScopeBudget(msgspec.Struct, frozen=True, kw_only=True):
    """The smallest budgets of a scope that last equally long."""

    scope: str
    duration: str
    """such as `30d`; '': for ever"""
    whose: str
    soft_budget: Decimal | None
    """US dollars"""
    max_budget: Decimal | None
    """US dollars"""

    def since(self, at: datetime) -> date | None:
        """The first UTC day of the period that a moment is in; None: it has always lasted."""
        return period_start(self.duration or None, at.astimezone(UTC).date())

    def tellings(self, spent: Decimal, at: datetime) -> Iterator[Telling]:
        """What is to be told once so much was charged in the period that `at` is in."""
        sums = {"spent": dollars(spent), "reason": "spent"}
        if self.soft_budget is not None and spent > self.soft_budget:
            message = f"{self.whose} has spent {dollars(spent)} US dollars: its soft_budget is {{limit}}."
            yield _telling(SOFT, self, self.soft_budget, at, message, sums)
        if self.max_budget is not None and spent >= self.max_budget > 0:
            message = f"{self.whose} has spent {dollars(spent)} US dollars: its max_budget is {{limit}}."
            yield _telling(REACHED, self, self.max_budget, at, message, sums)


class SeenBudget(ScopeBudget, frozen=True, kw_only=True):
    """A budget as it is kept."""

    seen_at: datetime
    """when a batch was created under it, to a day"""

    @property
    def budget(self) -> ScopeBudget:
        """The budget itself."""
        names = ScopeBudget.__struct_fields__
        return ScopeBudget(**{name: getattr(self, name) for name in names})


def budgets_of(reservation: Reservation) -> tuple[ScopeBudget, ...]:
    """The budgets of a scope, in order of their durations."""
    by_duration: dict[str, list[Limits]] = {}
    for limits in reservation.limits:
        by_duration.setdefault(limits.budget_duration or "", []).append(limits)
    budgets = (_budget(reservation.scope, *each) for each in sorted(by_duration.items()))
    return tuple(each for each in budgets if (each.soft_budget, each.max_budget) != (None, None))


def _budget(scope: str, duration: str, every: Iterable[Limits]) -> ScopeBudget:
    every = list(every)
    return ScopeBudget(
        scope=scope,
        duration=duration,
        whose=every[0].whose,
        soft_budget=min((each.soft_budget for each in every if each.soft_budget is not None), default=None),
        max_budget=min((each.max_budget for each in every if each.max_budget is not None), default=None),
    )


def refusal_telling(scope: str, over: OverBudget) -> Telling:
    """That a batch was refused, for a budget has no room for it."""
    figures = over.figures
    budget = ScopeBudget(
        scope=scope,
        duration=over.duration or "",
        whose=over.whose,
        soft_budget=None,
        max_budget=figures.limit,
    )
    sums = {
        "spent": dollars(figures.spent),
        "reason": "refused",
        "reserved": dollars(figures.reserved),
        "estimate": dollars(figures.estimate),
    }
    message = (
        f"A batch of {over.whose} was refused: its max_budget is {{limit}} US dollars, {sums['spent']} are "
        f"spent, {sums['reserved']} reserved for open batches, {sums['estimate']} estimated for this one."
    )
    return _telling(REACHED, budget, figures.limit, over.at, message, sums)


def _telling(
    type_: str, budget: ScopeBudget, limit: Decimal, at: datetime, message: str, sums: dict[str, Any]
) -> Telling:
    since, end = budget.since(at), reset_at(budget.duration or None, at)
    payload = {
        "scope": budget.scope,
        "whose": budget.whose,
        "limit": dollars(limit),
        "budget_duration": budget.duration or None,
        "period_start": since.isoformat() if since is not None else None,
        "reset_at": end.isoformat() if end is not None else None,
        "message": message.replace("{limit}", dollars(limit)),
        **sums,
    }
    event = Event(id=new_id(EVENT_PREFIX), subject=budget.scope, type=type_, payload=payload, created_at=at)
    return Telling(event=event, name=f"{type_} {budget.duration}".strip(), until=end)
