"""What charges come to. A charge and its corrections add up: a correction holds differences."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC, date
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from litebatch_asgi.models.batches import Batch, Charge
from litebatch_asgi.models.money import total
from litebatch_asgi.models.spend import ChargedModel, Spend, SpendField

_TEAM = "team:"
_COUNTS = ("input_tokens", "cached_tokens", "output_tokens", "requests", "unpriced_requests", "batches")


def day_of(charge: Charge) -> date:
    """The UTC day that a charge counts on."""
    return charge.created_at.astimezone(UTC).date()


def summed(charges: Iterable[Charge], fields: Collection[SpendField]) -> list[Spend]:
    """What charges come to for each combination of the fields, in their order."""
    groups: dict[tuple[Any, ...], list[Charge]] = {}
    for charge in charges:
        values = _values(charge)
        groups.setdefault(tuple(values[field] for field in fields), []).append(charge)
    return [_sum(dict(zip(fields, values, strict=True)), groups[values]) for values in sorted(groups)]


def _values(charge: Charge) -> dict[SpendField, Any]:
    return {
        SpendField.DAY: day_of(charge),
        SpendField.OWNER: charge.owner,
        SpendField.KEY: charge.created_by or "",
        SpendField.TEAM: charge.owner.removeprefix(_TEAM) if charge.owner.startswith(_TEAM) else "",
        SpendField.MODEL: charge.model,
        SpendField.DEPLOYMENT: charge.deployment_id,
    }


def _sum(values: dict[SpendField, Any], charges: Sequence[Charge]) -> Spend:
    usages = [charge.usage for charge in charges]
    return Spend(
        **{field.value: value for field, value in values.items()},
        cost=total(charge.cost for charge in charges),
        input_tokens=sum(usage.input_tokens for usage in usages),
        cached_tokens=sum(usage.cached_tokens for usage in usages),
        output_tokens=sum(usage.output_tokens for usage in usages),
        requests=sum(usage.requests for usage in usages),
        unpriced_requests=sum(usage.unpriced_requests for usage in usages),
        batches=sum(charge.corrects is None for charge in charges),
    )


def total_of(rows: Iterable[Spend]) -> Spend:
    """What sums come to all together."""
    rows = list(rows)
    counts: dict[str, Any] = {name: sum(getattr(row, name) for row in rows) for name in _COUNTS}
    return Spend(cost=total(row.cost for row in rows), **counts)


def regrouped(rows: Iterable[Spend], fields: Sequence[SpendField]) -> list[Spend]:
    """Sums put together by some of the fields that they are told apart by, in order of these."""
    found: dict[tuple[Any, ...], list[Spend]] = {}
    for row in rows:
        found.setdefault(tuple(getattr(row, field) for field in fields), []).append(row)
    names = [field.value for field in fields]
    return [
        replace(total_of(found[place]), **dict(zip(names, place, strict=True))) for place in sorted(found)
    ]


def put_on_budgets(charges: Iterable[Charge]) -> dict[tuple[str, date], Decimal]:
    """The US dollars that charges put on each of their scopes and days, in order; nothing where that is 0.

    What requests without a price were estimated at counts like a cost.
    """
    costs: dict[tuple[str, date], list[Decimal]] = {}
    for charge in charges:
        counted = total((charge.cost, charge.assumed_cost))
        for scope in set(charge.scopes) if counted else ():
            costs.setdefault((scope, day_of(charge)), []).append(counted)
    return {place: total(costs[place]) for place in sorted(costs)}


def cost_of(charges: Iterable[Charge]) -> Decimal | None:
    """The US dollars that charges come to; None if there are none, or one of a job and model has no price."""
    costs = [_chain_cost(chain) for chain in _chains(charges)]
    return total(costs) if costs and None not in costs else None


def with_charges(batch: Batch, charges: Collection[Charge]) -> Batch:
    """The batch with what all its charges come to."""
    return replace(batch, cost=cost_of(charges), unpriced_requests=unpriced_of(charges))


def unpriced_of(charges: Iterable[Charge]) -> int:
    """The requests that charges leave out."""
    return sum(charge.usage.unpriced_requests for charge in charges)


def charged_models(
    firsts: Iterable[tuple[Charge, str | None, str | None]], charges: Iterable[Charge]
) -> list[ChargedModel]:
    """First charges, each with the virtual model and endpoint of its batch, put together with corrections.

    `charges` hold them all, and may hold others.
    """
    chains = {(chain[0].job_id, chain[0].model): chain for chain in _chains(charges)}
    return [
        _charged(first, chains[first.job_id, first.model], virtual_model, endpoint)
        for first, virtual_model, endpoint in firsts
    ]


def _charged(
    first: Charge, chain: Sequence[Charge], virtual_model: str | None, endpoint: str | None
) -> ChargedModel:
    corrected = {charge.corrects for charge in chain}
    return ChargedModel(
        charge=first,
        last=next(charge for charge in chain if charge.id not in corrected),
        cost=_chain_cost(chain),
        unpriced_requests=unpriced_of(chain),
        assumed_cost=total(charge.assumed_cost for charge in chain),
        virtual_model=virtual_model,
        endpoint=endpoint,
    )


def _chains(charges: Iterable[Charge]) -> Iterator[list[Charge]]:
    """Charges for the same job and model."""
    chains: dict[tuple[str, str], list[Charge]] = {}
    for charge in charges:
        chains.setdefault((charge.job_id, charge.model), []).append(charge)
    yield from chains.values()


def _chain_cost(chain: Sequence[Charge]) -> Decimal | None:
    costs = [charge.cost for charge in chain if charge.cost is not None]
    return total(costs) if costs else None
