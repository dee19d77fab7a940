"""What has to be added to a charge, for it to be what other prices make it."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from msgspec.structs import replace

from litebatch_asgi.costs.rates import Rates, priced
from litebatch_asgi.models import Charge, ChargedModel, ChargedUsage
from litebatch_asgi.models.money import from_nanodollars, to_nanodollars


class CannotReprice(StrEnum):
    """Why a charge stays as it is, although it may be wrong; and what to do about it."""

    NOT_COUNTED = "it was made by a version that did not keep what a price needs: it stays as it is"
    NO_DEPLOYMENT = "the configuration lacks the deployment, and so its prices: put it back for this command"
    NO_PRICE = (
        "no price is known: give it one in `model_info` or in a file named by `prices`, "
        "or pip install 'litebatch-asgi[prices]'"
    )
    LESS_PRICED = "the price lacks a kind of token that is charged for: give it one for each kind"
    OTHER_THRESHOLDS = (
        "the price changes at lengths of inputs at which tokens were not counted apart: "
        "give it the thresholds that it had"
    )


TAKEN_BACK = "taken back"
"""the source of no price: the last word on a charge whose usage is wrong"""


def taken_back(charged: ChargedModel, *, id: str, now: datetime) -> Charge | None:
    """What takes a charge back, for its usage is wrong: its requests have no price, and stay without.

    The correction is called `id`. None: that is so already.
    """
    if charged.last.price_source == TAKEN_BACK:
        return None
    assumed = to_nanodollars(charged.assumed_cost)
    return replace(
        charged.charge,
        id=id,
        usage=ChargedUsage(unpriced_requests=charged.charge.usage.requests - charged.unpriced_requests),
        cost=from_nanodollars(-to_nanodollars(charged.cost or Decimal(0))),
        assumed_cost=from_nanodollars(-assumed) if assumed else None,
        price_source=TAKEN_BACK,
        corrects=charged.last.id,
        created_at=now,
    )


def correction(
    charged: ChargedModel, rates: Rates | None, *, id: str, now: datetime
) -> Charge | CannotReprice | None:
    """What makes of a charge what `rates` make of its usage; None: it is that already, or was taken back.

    The correction is called `id`. `rates` are None where nobody knows a price.
    """
    usage = charged.charge.usage
    if charged.last.price_source == TAKEN_BACK:
        return None
    if not usage.requests:
        return None if _is_free(charged) else CannotReprice.NOT_COUNTED
    if not usage.buckets:  # no usage made sense: no price can be put on it
        return None
    if rates is None:
        return CannotReprice.NO_PRICE
    if any(map(rates.cuts, usage.buckets)):
        return CannotReprice.OTHER_THRESHOLDS
    counted, cost = priced(usage, rates)
    unpriced = counted.unpriced_requests - charged.unpriced_requests
    if unpriced > 0:
        return CannotReprice.LESS_PRICED
    if cost is None:
        return CannotReprice.NO_PRICE
    if cost == charged.cost and not unpriced:
        return None
    return replace(
        charged.charge,
        id=id,
        usage=ChargedUsage(unpriced_requests=unpriced),
        cost=from_nanodollars(to_nanodollars(cost) - to_nanodollars(charged.cost or Decimal(0))),
        assumed_cost=_no_longer_assumed(charged, counted.unpriced_requests),
        price_source=rates.source,
        corrects=charged.last.id,
        created_at=now,
    )


def _no_longer_assumed(charged: ChargedModel, unpriced_requests: int) -> Decimal | None:
    """What budgets get back for requests that have a price now; None: nothing was assumed."""
    assumed = to_nanodollars(charged.assumed_cost)
    if not assumed:
        return None
    return from_nanodollars(assumed * unpriced_requests // charged.unpriced_requests - assumed)


def _is_free(charged: ChargedModel) -> bool:
    """Whether no request succeeded; before there were prices, nothing was said of that."""
    return charged.cost is not None and not charged.charge.usage.total_tokens
