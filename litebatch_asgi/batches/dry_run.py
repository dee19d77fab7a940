"""Dry runs: what a batch would cost and wait for. Nothing is written, and no provider is called."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from decimal import Decimal

from msgspec.structs import replace

from litebatch_asgi.batches.budgets import refusals, reserved
from litebatch_asgi.batches.drafting import Drafts
from litebatch_asgi.batches.lanes import Lanes
from litebatch_asgi.batches.prices import dearest, rates_for
from litebatch_asgi.batches.quotas import Quotas
from litebatch_asgi.batches.targets import Tries, chances, of_shard
from litebatch_asgi.batches.waiting import waiting_for
from litebatch_asgi.costs import UNKNOWN, Estimate, Rates, cost_of, estimate
from litebatch_asgi.errors import AboveBudget, ModelHasNoPrice
from litebatch_asgi.models import (
    Batch,
    DeploymentOutlook,
    DryRun,
    Exceeded,
    FileState,
    Lane,
    Obstacle,
    Principal,
    Shard,
)
from litebatch_asgi.models.ids import BATCH_PREFIX, new_id
from litebatch_asgi.models.limits import requests_exceeded
from litebatch_asgi.models.reservations import OverBudget
from litebatch_asgi.runtime import Runtime
from litebatch_asgi.wire import CreateBatch


class DryRuns:
    """Tells principals what would become of a batch."""

    def __init__(self, runtime: Runtime, drafts: Drafts) -> None:
        self._runtime = runtime
        self._drafts = drafts
        self._quotas = Quotas(runtime)
        self._lanes = Lanes(runtime)

    async def run(self, principal: Principal, asked: CreateBatch) -> DryRun:
        """What is known of it beforehand. Raises what a create would raise but for limits."""
        batch, state, shards, _ = await self._drafts.draft(principal, asked, new_id(BATCH_PREFIX))
        first = of_shard(state, 0)
        found = estimate(state.file, self._runtime.settings)
        rates = await rates_for(self._runtime, batch.model)
        quoted = dearest(found, rates, state.copies)
        tries = self._lanes.apply(Tries(), batch, shards[0])
        tries = await self._quotas.put_off(tries, batch.model, shards[0].tokens)
        deployments, waiting = self._outlook(batch, first, shards[0], found, rates, tries), None
        if not any(each.takes_it_now for each in deployments):
            waiting = waiting_for(self._runtime, batch, first, tries, shards[0])
        told = DryRun(
            model=batch.model,
            endpoint=batch.endpoint,
            requests=found.requests,
            input_tokens=found.input_tokens,
            guessed_input_tokens=found.guessed_tokens,
            estimated_output_tokens=found.output_tokens,
            highest_output_tokens=found.highest_output_tokens,
            estimated_cost=quoted.cost,
            highest_cost=quoted.highest_cost,
            price_source=quoted.price_source,
            waiting_for=waiting,
            deployments=deployments,
            would_exceed=tuple(
                [each async for each in self._obstacles(principal, asked, state, quoted.cost)]
            ),
        )
        return told if principal.is_admin else _without_names(told)

    def _outlook(
        self,
        batch: Batch,
        state: FileState,
        shard: Shard,
        found: Estimate,
        every: Mapping[str, Rates | None],
        tries: Tries,
    ) -> tuple[DeploymentOutlook, ...]:
        """In the order of the configuration."""
        fleet = self._runtime.fleet
        usable = chances(self._runtime, state, batch.model, until=batch.expires_at, tries=tries)
        in_the_way = waiting_for(self._runtime, batch, state, tries, shard).deployments
        outlook: list[DeploymentOutlook] = []
        for where, rates in every.items():
            is_free = where in usable and where not in tries.full and not fleet.cooldown_left(where)
            outlook.append(
                DeploymentOutlook(
                    deployment_id=where,
                    lane=Lane.LIVE if fleet.is_live(where) else Lane.NATIVE,
                    takes_it_now=is_free,
                    waiting_for=None if is_free else in_the_way[where],
                    estimated_cost=cost_of(found, rates),
                    price_source=UNKNOWN if rates is None else rates.source,
                )
            )
        return tuple(outlook)

    async def _obstacles(
        self, principal: Principal, asked: CreateBatch, state: FileState, cost: Decimal | None
    ) -> AsyncIterator[Obstacle]:
        file, limits = state.file, principal.limits
        for above in requests_exceeded(limits, file.lines):
            yield _obstacle(above)
        for refusal in refusals(principal, file.models[0], cost, asked.max_cost):
            yield _of_money(refusal)
        wanted = [each for each in reserved(principal, file, cost, self._runtime.now()) if each.is_limited]
        ledger = self._runtime.storage.ledger
        held = await ledger.held([each.scope for each in wanted]) if wanted else {}
        for each in wanted:
            for since in each.periods:
                spent = await ledger.spent({each.scope: since})
                seen = replace(held[each.scope], spent=spent[each.scope])
                for over in each.exceeded(seen, since):
                    yield _obstacle(over)


def _obstacle(over: Exceeded | OverBudget) -> Obstacle:
    message = over.error().message
    if isinstance(over, Exceeded):
        return Obstacle(
            limit=over.name,
            whose=over.whose,
            most=over.limit,
            used=over.used,
            asked=over.asked,
            message=message,
        )
    figures = over.figures
    return Obstacle(
        limit="max_budget",
        whose=over.whose,
        most=figures.limit,
        used=figures.spent + figures.reserved,
        asked=figures.estimate,
        message=message,
    )


def _of_money(refusal: AboveBudget | ModelHasNoPrice) -> Obstacle:
    assert refusal.param is not None
    figures = refusal.budget if isinstance(refusal, AboveBudget) else None
    return Obstacle(
        limit=refusal.param,
        most=figures.limit if figures is not None else None,
        used=Decimal(0) if figures is not None else None,
        asked=figures.estimate if figures is not None else None,
        message=refusal.message,
    )


def _without_names(told: DryRun) -> DryRun:
    """For those who may not know which deployments there are."""
    waiting = told.waiting_for and replace(told.waiting_for, deployments={})
    return replace(told, waiting_for=waiting, deployments=tuple(map(_nameless, told.deployments)))


def _nameless(each: DeploymentOutlook) -> DeploymentOutlook:
    wait = each.waiting_for and replace(each.waiting_for, status=None, code=None, said=None, retry_after=None)
    return replace(each, deployment_id=None, waiting_for=wait)
