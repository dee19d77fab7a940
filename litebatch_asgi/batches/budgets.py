"""Budgets: what a batch is estimated to cost, looked at before it is made."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal

from litebatch_asgi.batches.prices import quote_for
from litebatch_asgi.costs import BatchInput
from litebatch_asgi.errors import AboveBudget, BudgetFigures, ModelHasNoPrice, StorageUnavailable, dollars
from litebatch_asgi.failpoints import hit
from litebatch_asgi.models import FileState, Principal, Reservation
from litebatch_asgi.models.budgets import refusal_telling
from litebatch_asgi.models.reservations import OverBudget, SoftBudgetPassed, reservations
from litebatch_asgi.recent import RecentIds
from litebatch_asgi.runtime import Runtime
from litebatch_asgi.wire.requests import MAX_COST

logger: logging.Logger = logging.getLogger(__name__)


class Budgets:
    """What money has to say of new batches. The budgets themselves are kept by `Reservation.check`."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._told = RecentIds()

    async def reservations(
        self,
        principal: Principal,
        file: FileState,
        found: BatchInput,
        *,
        max_cost: Decimal | None,
        at: datetime,
    ) -> tuple[Reservation, ...]:
        """What a batch is to hold of the limits of whoever makes it now; `found` is what it runs of a file.

        Raises `ModelHasNoPrice` where its cost is unknown and may not be, `AboveBudget` above `max_cost`.
        """
        cost: Decimal | None = None
        if max_cost is not None or principal.limits:
            cost = (await quote_for(self._runtime, file, found)).cost
            for error in refusals(principal, file.file.models[0], cost, max_cost):
                raise error
        return reserved(principal, found, cost, at)

    async def tell_refused(self, refused: Mapping[str, OverBudget]) -> None:
        """Tell operators of budgets, by scope, for which a batch was refused; each once a period.

        Whoever was refused does not wait for a database that is away.
        """
        for scope, over in refused.items():
            telling = refusal_telling(scope, over)
            name = f"{scope} {telling.name} {telling.until}"
            if name in self._told:
                continue
            hit("budget.refused")
            try:
                await self._runtime.tell(telling)
            except StorageUnavailable as error:
                logger.warning("a used up budget is not told", extra={"scope": scope, "error": str(error)})
                continue
            hit("budget.told")
            self._told.add(name)

    def tell(self, passed: Iterable[SoftBudgetPassed]) -> None:
        """Log soft budgets that are passed, once a scope and period."""
        for each in passed:
            limits, figures = each.limits, each.figures
            name = f"{limits.scope} {limits.soft_budget} {each.since}"
            if name in self._told:
                continue
            self._told.add(name)
            told = {
                "scope": limits.scope,
                "soft_budget": dollars(figures.limit),
                "spent": dollars(figures.spent),
                "reserved": dollars(figures.reserved),
                "estimate": dollars(figures.estimate),
            }
            logger.warning("a soft budget is passed", extra=told)


def reserved(
    principal: Principal, found: BatchInput, cost: Decimal | None, at: datetime
) -> tuple[Reservation, ...]:
    """What a batch holds of a caller's limits if it is estimated to cost so many US dollars."""
    return reservations(principal.limits, requests=found.lines, tokens=found.tokens, cost=cost, at=at)


def refusals(
    principal: Principal, model: str, cost: Decimal | None, max_cost: Decimal | None
) -> Iterator[AboveBudget | ModelHasNoPrice]:
    """Why a batch may not be, whatever else is open: for what it is estimated to cost in US dollars."""
    if cost is not None:
        if max_cost is not None and cost > max_cost:
            yield AboveBudget(MAX_COST, BudgetFigures(limit=max_cost, estimate=cost))
        return
    if max_cost is not None:
        yield ModelHasNoPrice(model, MAX_COST, param=MAX_COST)
    for limits in principal.limits:
        if limits.max_budget is not None:
            yield ModelHasNoPrice(model, f"max_budget of {limits.whose}", param="max_budget")
