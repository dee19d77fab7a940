"""Charges, and the sums that go with them, in one transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from litebatch_asgi.models import Charge, SpendField
from litebatch_asgi.models.money import to_nanodollars
from litebatch_asgi.models.sums import cost_of, put_on_budgets, summed, unpriced_of
from litebatch_sql.executor import Transaction
from litebatch_sql.queries import Queries
from litebatch_sql.rollups import rows_of
from litebatch_sql.rows import MONEY, encode_keys, to_days
from litebatch_sql.tables import CHARGES, SPEND
from litebatch_sql.telling import BudgetTellings


class Charges:
    """Writes charges of batches that are locked.

    Whoever writes some locks the batches, then writes the charges, then adds them up: each in order of the
    keys, so that no two who write wait for each other. The sums, which all of them write, come last.
    """

    def __init__(self, transaction: Transaction, queries: Queries) -> None:
        self._transaction = transaction
        self._queries = queries

    async def lock_batches(self, batch_ids: Collection[str]) -> None:
        """Lock those that are there, where the database does not lock as a whole."""
        if "lock_batches" in self._queries:
            await self._transaction.fetch_all(self._queries.sql("lock_batches"), _keys(batch_ids))

    async def of(self, batch_ids: Collection[str]) -> list[Charge]:
        """What batches were charged."""
        rows = await self._transaction.fetch_all(self._queries.sql("charges_of_batches"), _keys(batch_ids))
        return [CHARGES.decode(row) for row in rows]

    async def unknown(self, charge_ids: Collection[str]) -> set[str]:
        """Those that are not there."""
        rows = await self._transaction.fetch_all(self._queries.sql("known_charges"), _keys(charge_ids))
        return set(charge_ids) - {row[0] for row in rows}

    async def insert(self, charges: Iterable[Charge]) -> None:
        """Insert charges. Raises `StateConflict` if one of them is there already, or corrected already."""
        for charge in charges:
            await self._transaction.execute(self._queries.sql("insert_charges"), CHARGES.encode(charge))

    async def insert_corrections(self, corrections: Iterable[Charge]) -> list[Charge]:
        """Insert those whose charge is not corrected yet, and tell which."""
        insert = self._queries.sql("insert_correction")
        return [
            correction
            for correction in corrections
            if await self._transaction.execute(insert, CHARGES.encode(correction))
        ]

    async def set_costs(self, batch_ids: Collection[str]) -> None:
        """Write what the charges of locked batches come to."""
        by_batch: dict[str, list[Charge]] = {batch_id: [] for batch_id in sorted(batch_ids)}
        for charge in await self.of(batch_ids):
            by_batch[charge.batch_id].append(charge)
        for batch_id, charges in by_batch.items():
            cost = cost_of(charges)
            row = {
                "id": batch_id,
                "cost": None if cost is None else MONEY.to_database(cost),
                "unpriced_requests": unpriced_of(charges),
            }
            await self._transaction.execute(self._queries.sql("set_cost"), row)

    async def add_up(self, charges: Sequence[Charge]) -> None:
        """Add charges that were written to the sums, and tell of budgets that they pass.

        Once a transaction, as the last thing.
        """
        on_budgets = put_on_budgets(charges).items()
        rows = [
            {"scope": scope, "day": to_days(day), "spent": to_nanodollars(spent)}
            for (scope, day), spent in on_budgets
        ]
        if rows:
            await self._transaction.execute_many(self._queries.sql("add_to_budget"), rows)
        sums = [SPEND.encode(each) for each in summed(charges, tuple(SpendField))]
        if sums:
            await self._transaction.execute_many(self._queries.sql("add_spend"), sums)
        await BudgetTellings(self._transaction, self._queries).charged(charges)
        if sums:
            await self._transaction.execute_many(self._queries.sql("add_to_rollups"), rows_of(sums))


def _keys(ids: Collection[str]) -> dict[str, str]:
    return {"keys": encode_keys(sorted(ids))}
