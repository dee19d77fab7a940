"""What a caller is told whose money is not enough, or who cannot be told what a batch costs."""

from __future__ import annotations

import math
from datetime import datetime
from decimal import Decimal

import msgspec

from litebatch_asgi.errors.requests import NO_USE_SECONDS, InvalidRequest, RateLimited

_SOON_SECONDS = 60.0
"""as long as all stock clients wait at most"""
_OPEN_BATCHES_SECONDS = 600.0
"""after which to look again whether open batches have ended: they take minutes at least"""


class BudgetFigures(msgspec.Struct, frozen=True, kw_only=True):
    """How an estimate stands to a limit, in US dollars."""

    limit: Decimal
    estimate: Decimal
    """of the batch that was asked for"""
    spent: Decimal = Decimal(0)
    """since the budget last began anew"""
    reserved: Decimal = Decimal(0)
    """the estimates of open batches"""
    unpriced_batches: int = 0
    """open batches of which nobody knew what they would cost: they may take all that is left"""
    reset_at: datetime | None = None
    """when the budget begins anew; None: never"""


class BudgetExceeded(RateLimited):
    """429: a budget of the caller's key, user or team, which had room for the batch if less was used of it.

    `whose` it is. `retry_after` are the seconds until the budget begins anew, or some minutes where open
    batches may end before that and cost less than they reserve; an hour where no wait helps. The stock
    clients try again by themselves only if the budget begins anew within a minute: that is as long as they
    wait.
    """

    code: str | None = "budget_exceeded"

    def __init__(self, whose: str, figures: BudgetFigures, *, now: datetime) -> None:
        room = max(Decimal(0), figures.limit - figures.spent - figures.reserved)
        told = (
            f"max_budget of {whose} is {dollars(figures.limit)}: {dollars(figures.spent)} spent, "
            f"{dollars(figures.reserved)} reserved by open batches, {dollars(figures.estimate)} estimated "
            f"for this one, {dollars(room)} would fit now, all in US dollars."
        )
        anew = figures.reset_at
        told += " It never begins anew." if anew is None else f" It begins anew at {anew:%Y-%m-%dT%H:%M:%SZ}."
        waits = [] if anew is None else [(anew - now).total_seconds()]
        if figures.unpriced_batches:
            told += (
                " No batch fits before those have ended of which nobody knew what they would cost when they "
                f"were made: {figures.unpriced_batches} open."
            )
            waits = [_OPEN_BATCHES_SECONDS]
        elif figures.spent + figures.estimate <= figures.limit:
            told += " Room may appear before, when open batches end that cost less than they reserve."
            waits.append(_OPEN_BATCHES_SECONDS)
        super().__init__(told, param="max_budget")
        self.budget = figures
        self.retry_after: float | None = min(waits, default=NO_USE_SECONDS)
        self.retry: bool | None = None if min(waits, default=math.inf) <= _SOON_SECONDS else False


class AboveBudget(InvalidRequest):
    """400: a batch is estimated to cost more than one ever may. `param` names the limit."""

    code: str | None = "budget_exceeded"
    retry: bool | None = False

    def __init__(self, name: str, figures: BudgetFigures, *, whose: str | None = None) -> None:
        limit = name if whose is None else f"{name} of {whose}"
        super().__init__(
            f"{limit} is {dollars(figures.limit)} US dollars: {dollars(figures.estimate)} estimated for this "
            "batch, which can never pass. Send fewer requests, have them limit their answers, or have the "
            "limit raised.",
            param=name,
        )
        self.budget = figures


class ModelHasNoPrice(InvalidRequest):
    """400: nobody knows what a batch would cost, and a limit of money counts for it.

    `limit` says which one, `model` is the virtual model.
    """

    code: str | None = "model_has_no_price"
    retry: bool | None = False

    def __init__(self, model: str, limit: str, *, param: str | None = None) -> None:
        super().__init__(
            f"No price is known for the model '{model[:100]}' at a deployment that may get the batch, so "
            f"{limit} cannot be kept. Have the gateway's operator give it one, in the deployment's "
            "`model_info` or in the file that `prices` names, or use another model.",
            param=param,
        )


def dollars(amount: Decimal) -> str:
    """All digits of an amount, without an exponent and without zeros at the end."""
    digits = f"{amount:f}"
    return digits.rstrip("0").rstrip(".") if "." in digits else digits
