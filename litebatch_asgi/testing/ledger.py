"""The account of a storage in memory: whatever it is asked it sums up anew."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal

from litebatch_asgi.errors import StateConflict
from litebatch_asgi.models import Charge, ChargedModel, Held, Spend, SpendField, SpendQuery
from litebatch_asgi.models.sums import charged_models, day_of, summed, with_charges
from litebatch_asgi.testing.budgets import MemoryBudgets
from litebatch_asgi.testing.repeats import Reservations
from litebatch_asgi.testing.tables import Tables


class MemoryLedger:
    """A `Ledger` on a storage in memory."""

    def __init__(self, tables: Tables, reservations: Reservations, budgets: MemoryBudgets) -> None:
        self._tables = tables
        self._budgets = budgets
        self._reservations = reservations

    async def spend(self, query: SpendQuery) -> list[Spend]:
        """See `Ledger.spend`."""
        return summed(_matching(self._charges(), query), query.group_by)[: query.limit]

    async def spent(self, since: Mapping[str, date | None]) -> dict[str, Decimal]:
        """See `Ledger.spent`."""
        self._tables.check_open()
        return {scope: self._tables.spent(scope, start) for scope, start in since.items()}

    async def held(self, scopes: Collection[str]) -> dict[str, Held]:
        """See `Ledger.held`."""
        self._tables.check_open()
        return {scope: self._reservations.held(scope) for scope in scopes}

    async def charged(
        self, since: datetime, *, model: str | None = None, after: Charge | None = None, limit: int
    ) -> list[ChargedModel]:
        """See `Ledger.charged`."""
        charges = list(self._charges())
        firsts = [
            (charge, *self._batch_of(charge))
            for charge in sorted(charges, key=_place)
            if charge.corrects is None and charge.created_at >= since
            if model in (None, charge.model, self._batch_of(charge)[0])
            if after is None or _place(charge) > _place(after)
        ]
        return charged_models(firsts[:limit], charges)

    def _batch_of(self, charge: Charge) -> tuple[str | None, str | None]:
        batch = self._tables.batches.get(charge.batch_id)
        return (batch.model, batch.endpoint) if batch is not None else (None, None)

    async def correct(self, corrections: Sequence[Charge]) -> int:
        """See `Ledger.correct`."""
        async with self._tables.write() as draft:
            written: dict[str, Charge] = {}
            for each in sorted(corrections, key=lambda each: each.corrects or ""):
                if each.corrects not in self._tables.charges:
                    raise StateConflict(f"charge to correct is not there: {each.corrects}")
                if each.corrects not in self._tables.charged and each.corrects not in written:
                    self._tables.insert_charge(draft, each)
                    written[each.corrects] = each
            for batch_id in {each.batch_id for each in written.values()} & self._tables.batches.keys():
                new = (each for each in written.values() if each.batch_id == batch_id)
                batch = with_charges(
                    self._tables.batches[batch_id], [*self._tables.charges_of(batch_id), *new]
                )
                draft.put(self._tables.batches, batch_id, batch)
            self._budgets.write(draft, list(written.values()))
            return len(written)

    def _charges(self) -> Iterable[Charge]:
        self._tables.check_open()
        return self._tables.charges.values()


def _place(charge: Charge) -> tuple[datetime, str]:
    return charge.created_at, charge.id


def _matching(charges: Iterable[Charge], query: SpendQuery) -> Iterator[Charge]:
    """Those that a query sums up."""
    wanted = {
        SpendField.OWNER: query.owner,
        SpendField.KEY: query.key,
        SpendField.TEAM: query.team,
        SpendField.MODEL: query.model,
        SpendField.DEPLOYMENT: query.deployment,
    }
    for charge in charges:
        [of] = summed([charge], tuple(SpendField))
        is_between = (query.start or date.min) <= day_of(charge) <= (query.end or date.max)
        if is_between and all(value in (None, getattr(of, field)) for field, value in wanted.items()):
            yield charge
