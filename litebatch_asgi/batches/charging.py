"""What a settled job is charged: one charge for each model that has answered."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
from msgspec.structs import replace

from litebatch_asgi.batches.prices import find_rates
from litebatch_asgi.costs import MOST_DOLLARS, UNKNOWN, priced
from litebatch_asgi.jsonl import ModelTally, Tally
from litebatch_asgi.models import Batch, Charge, ChargedUsage, Deployment, Job
from litebatch_asgi.models.ids import CHARGE_PREFIX, new_id
from litebatch_asgi.models.money import from_nanodollars, to_nanodollars, total
from litebatch_asgi.runtime import Runtime

logger: logging.Logger = logging.getLogger(__name__)

_MOST_TOLD = 1000
"""models of which it is remembered that they have no price; what others lack is not told"""


def usage_by_model(tally: Tally, upstream_model: str) -> Mapping[str, ChargedUsage]:
    """What each model consumed; answers that do not tell their model count as the upstream model's.

    A job of which no request has succeeded has consumed nothing of the upstream model.
    """
    tallies: dict[str, ModelTally] = {}
    for told, each in tally.models.items():
        model = upstream_model if told is None else told
        tallies[model] = tallies[model] + each if model in tallies else each
    return {model: _charged(each) for model, each in (tallies or {upstream_model: ModelTally()}).items()}


class Consumed(msgspec.Struct, frozen=True, kw_only=True):
    """What a job consumed of one model, and what that costs."""

    model: str
    usage: ChargedUsage
    cost: Decimal | None
    """in US dollars; None: unknown"""
    price_source: str | None


class Pricing:
    """Puts prices on what jobs consumed."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._told: set[tuple[str, str]] = set()

    async def price(self, job: Job, batch: Batch, tally: Tally) -> tuple[Consumed, ...]:
        """What a job consumed of each model. Never raises for a price that is not known, and says so once.

        A job that costs more than `MOST_DOLLARS` counts as having no price.
        """
        assert job.deployment_id is not None
        deployment = self._runtime.fleet.catalog.deployment(job.deployment_id, batch.model)
        if deployment is None:  # of a live job, whose results are with us
            unpriced = usage_by_model(tally, batch.model).items()
            return tuple(_of_nobody(model, usage) for model, usage in unpriced)
        deployment = replace(deployment, lane=job.lane)  # which may have been changed since
        upstream_model = self._runtime.fleet.upstream_model(job.deployment_id, batch.model)
        consumed = [
            await self._priced(model, usage, deployment, upstream_model)
            for model, usage in usage_by_model(tally, upstream_model).items()
        ]
        if (cost := total(each.cost for each in consumed)) <= MOST_DOLLARS:
            return tuple(consumed)
        told = {"deployment": deployment.id, "job": job.id, "cost": f"{cost:f}"}
        logger.warning("a job has no cost: its usage at its prices is more than any job can cost", extra=told)
        return tuple(map(_without_price, consumed))

    async def _priced(
        self, model: str, usage: ChargedUsage, deployment: Deployment, upstream_model: str
    ) -> Consumed:
        rates = None
        if usage.requests:
            rates = await find_rates(self._runtime, deployment, model, upstream_model=upstream_model)
        usage, cost = priced(usage, rates)
        if usage.unpriced_requests:
            self._tell(deployment, model, usage, has_price=rates is not None)
        source = rates.source if rates is not None else UNKNOWN if usage.requests else None
        return Consumed(model=model, usage=usage, cost=cost, price_source=source)

    def _tell(self, deployment: Deployment, model: str, usage: ChargedUsage, *, has_price: bool) -> None:
        """Log what has no price; where the model has none, once."""
        told = {"deployment": deployment.id, "model": model, "unpriced_requests": usage.unpriced_requests}
        if has_price:
            logger.warning("requests have no cost: their usage makes no sense or has no price", extra=told)
        elif (deployment.provider, model) not in self._told and len(self._told) < _MOST_TOLD:
            self._told.add((deployment.provider, model))
            logger.warning(
                "no price is known for a model, so its cost is not either: give it one in `model_info` or in "
                "a file named by `prices`, or pip install 'litebatch-asgi[prices]'",
                extra=told,
            )


def _of_nobody(model: str, usage: ChargedUsage) -> Consumed:
    """Of a deployment whose prices nobody knows any more."""
    usage, cost = priced(usage, None)
    return Consumed(model=model, usage=usage, cost=cost, price_source=UNKNOWN if usage.requests else None)


def _without_price(each: Consumed) -> Consumed:
    """As if nobody knew a price: all together a job costs more than one can."""
    usage = replace(each.usage, unpriced_requests=each.usage.requests)
    return replace(each, usage=usage, cost=None if usage.requests else each.cost)


def total_cost(consumed: Collection[Consumed]) -> Decimal | None:
    """What all of it costs in US dollars; None where a part is unknown."""
    costs = [each.cost for each in consumed]
    return sum((cost for cost in costs if cost is not None), Decimal(0)) if None not in costs else None


def charges_for(consumed: Collection[Consumed], batch: Batch, job: Job, now: datetime) -> tuple[Charge, ...]:
    """The charges of a job of a batch."""
    assert job.deployment_id is not None
    return tuple(
        Charge(
            id=new_id(CHARGE_PREFIX),
            job_id=job.id,
            batch_id=job.batch_id,
            deployment_id=job.deployment_id,
            owner=batch.owner,
            created_by=batch.created_by,
            model=each.model,
            usage=each.usage,
            cost=each.cost,
            price_source=each.price_source,
            scopes=batch.scopes,
            assumed_cost=_assumed(each.usage.unpriced_requests, batch),
            created_at=now,
        )
        for each in consumed
    )


def _assumed(unpriced_requests: int, batch: Batch) -> Decimal | None:
    """What so many requests without a price were estimated at; None: nothing, or nobody knows."""
    if not unpriced_requests or batch.estimated_cost is None:
        return None
    every = max(batch.counts.total, unpriced_requests)
    return from_nanodollars(to_nanodollars(batch.estimated_cost) * unpriced_requests // every)


def _charged(tally: ModelTally) -> ChargedUsage:
    fields: dict[str, Any] = msgspec.structs.asdict(tally.usage)
    buckets = tuple(tally.buckets[above] for above in sorted(tally.buckets))
    return ChargedUsage(**fields, requests=tally.requests, unpriced_requests=tally.requests, buckets=buckets)
