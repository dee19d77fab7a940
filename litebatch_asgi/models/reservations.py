"""What open batches hold of limits until they have ended."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import msgspec

from litebatch_asgi.errors import AboveBudget, BudgetExceeded, BudgetFigures, RequestError
from litebatch_asgi.models.limits import Exceeded, Limits, by_scope


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """What the open batches of a scope hold, and what ended ones have used up."""

    batches: int = 0
    requests: int = 0
    tokens: int = 0
    cost: Decimal = Decimal(0)
    """US dollars, as they were estimated"""
    unpriced_batches: int = 0
    """those of the batches of which nobody knew what they would cost"""
    spent: Decimal = Decimal(0)
    """US dollars charged since a day that was asked for; requests without a price as they were estimated"""


class SoftBudgetPassed(msgspec.Struct, frozen=True, kw_only=True):
    """That a batch passes a soft budget, for which it is not refused."""

    limits: Limits
    since: date | None
    """the first day of the period"""
    figures: BudgetFigures


class OverBudget(msgspec.Struct, frozen=True, kw_only=True):
    """A budget that a batch does not fit into; as `Exceeded`."""

    whose: str
    figures: BudgetFigures
    at: datetime
    duration: str | None = None
    """how long the budget lasts"""

    @property
    def can_never_pass(self) -> bool:
        """Whether it would not fit alone either."""
        return self.figures.estimate > self.figures.limit

    def error(self) -> RequestError:
        """What is said of it: `AboveBudget` or `BudgetExceeded`."""
        if self.can_never_pass:
            return AboveBudget("max_budget", self.figures, whose=self.whose)
        return BudgetExceeded(self.whose, self.figures, now=self.at)


class Reservation(msgspec.Struct, frozen=True, kw_only=True):
    """What a new batch is to hold of one scope's limits."""

    scope: str
    requests: int
    tokens: int
    cost: Decimal | None = None
    """US dollars, estimated, to 1e-9; None: unknown, and while it is open no other fits into a budget"""
    at: datetime
    """when; its UTC day decides in which period of a budget that is"""
    limits: tuple[Limits, ...]
    """those of this scope; all of them hold"""
    on_soft_budget: Callable[[SoftBudgetPassed], Any] | None = None
    """called by `check`"""
    on_over_budget: Callable[[OverBudget], Any] | None = None
    """called by `check` before it raises `BudgetExceeded`"""

    @property
    def is_limited(self) -> bool:
        """Whether it has to be checked; otherwise it is written down for limits that are set later."""
        return any(limits.is_of_open_batches for limits in self.limits)

    @property
    def periods(self) -> tuple[date | None, ...]:
        """The first UTC days of the periods of its limits; None: ever. Each is checked by itself."""
        return tuple(dict.fromkeys(limits.period_start(self.at) for limits in self.limits))

    def check(self, held: Held, since: date | None = None) -> None:
        """Look at the limits whose period began on the day `since`, which is one of `periods`.

        `held` is what others of the scope hold, and what was charged to it since that day, both of one
        moment. Raises `LimitExceeded` or `BudgetExceeded` if it does not fit beside that, `AboveLimit` or
        `AboveBudget` if it would not fit alone either.
        """
        for exceeded in self.exceeded(held, since):
            tell = self.on_over_budget
            if tell is not None and isinstance(exceeded, OverBudget) and not exceeded.can_never_pass:
                tell(exceeded)
            raise exceeded.error()
        for limits, figures in self._budgets("soft_budget", held, since):
            if self.on_soft_budget is not None:
                self.on_soft_budget(SoftBudgetPassed(limits=limits, since=since, figures=figures))

    def exceeded(self, held: Held, since: date | None = None) -> Iterator[Exceeded | OverBudget]:
        """The limits that it does not fit into, of those that `check` looks at."""
        for limits in self._of_period(since):
            for name, limit, used, asked in self._accounts(limits, held):
                if limit is not None and used + asked > limit:
                    yield Exceeded(name=name, whose=limits.whose, limit=limit, used=used, asked=asked)
        for limits, figures in self._budgets("max_budget", held, since):
            yield OverBudget(whose=limits.whose, figures=figures, at=self.at, duration=limits.budget_duration)

    def _of_period(self, since: date | None) -> Iterator[Limits]:
        return (limits for limits in self.limits if limits.period_start(self.at) == since)

    def _accounts(self, limits: Limits, held: Held) -> Iterator[tuple[str, int | None, int, int]]:
        yield "max_open_batches", limits.max_open_batches, held.batches, 1
        yield "max_enqueued_requests", limits.max_enqueued_requests, held.requests, self.requests
        yield "max_enqueued_tokens", limits.max_enqueued_tokens, held.tokens, self.tokens

    def _budgets(self, name: str, held: Held, since: date | None) -> Iterator[tuple[Limits, BudgetFigures]]:
        """The budgets that it passes."""
        estimate = self.cost or Decimal(0)
        spent = max(held.spent, Decimal(0))  # what corrections give back for earlier periods is no credit
        for limits in self._of_period(since):
            limit: Decimal | None = getattr(limits, name)
            waits = held.unpriced_batches if name == "max_budget" else 0
            if limit is not None and (waits or spent + held.cost + estimate > limit):
                yield (
                    limits,
                    BudgetFigures(
                        limit=limit,
                        estimate=estimate,
                        spent=spent,
                        reserved=held.cost,
                        unpriced_batches=waits,
                        reset_at=limits.reset_at(self.at),
                    ),
                )


def reservations(
    every: Iterable[Limits],
    *,
    requests: int,
    tokens: int,
    cost: Decimal | None,
    at: datetime,
    on_soft_budget: Callable[[SoftBudgetPassed], Any] | None = None,
) -> tuple[Reservation, ...]:
    """What a batch of so many requests and tokens reserves under these limits, in order of the scopes."""
    return tuple(
        Reservation(
            scope=scope,
            requests=requests,
            tokens=tokens,
            cost=cost,
            at=at,
            limits=limits,
            on_soft_budget=on_soft_budget,
        )
        for scope, limits in sorted(by_scope(every).items())
    )
