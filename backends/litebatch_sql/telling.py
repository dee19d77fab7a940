"""What is told to operators once, in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta

from msgspec.structs import asdict

from litebatch_asgi.models import Charge, Reservation
from litebatch_asgi.models.budgets import ScopeBudget, SeenBudget, budgets_of
from litebatch_asgi.models.money import from_nanodollars
from litebatch_asgi.models.sums import put_on_budgets
from litebatch_asgi.models.tellings import Telling
from litebatch_sql.events import Events
from litebatch_sql.executor import Transaction
from litebatch_sql.queries import Queries
from litebatch_sql.reservations import lock_scope
from litebatch_sql.rows import encode_json, encode_keys, to_days
from litebatch_sql.tables import BUDGETS, TOLD

_SEEN_EVERY = timedelta(days=1)
"""how exactly it is kept when a budget was seen last"""


class Tellings:
    """Writes events of subjects that have no row of their own."""

    def __init__(self, transaction: Transaction, queries: Queries) -> None:
        self._transaction = transaction
        self._queries = queries
        self._events = Events(transaction, queries)

    async def tell(self, telling: Telling) -> bool:
        """Write the event unless it was told; whether it was written.

        The subject is locked until the end of the transaction: nobody else draws its number or tells of it.
        """
        told = TOLD.encode(telling.told)
        await lock_subject(self._transaction, self._queries, telling.event.subject)
        row = await self._transaction.fetch_one(self._queries.sql("get_told"), told)
        if not telling.is_news(TOLD.decode(row) if row else None):
            return False
        await self._transaction.execute(self._queries.sql("put_told"), told)
        await self._events.write([telling.event])
        return True


class BudgetTellings:
    """Keeps the budgets of scopes, and tells what of them is passed."""

    def __init__(self, transaction: Transaction, queries: Queries) -> None:
        self._transaction = transaction
        self._sql = queries.sql
        self._queries = queries
        self._tellings = Tellings(transaction, queries)

    async def keep(self, reservations: Sequence[Reservation]) -> None:
        """Write down the budgets as they are now, and tell of those that are passed already.

        Hardly ever is there anything to write.
        """
        if not reservations:
            return
        at = reservations[0].at
        kept = await self._kept([each.scope for each in reservations])
        for each in sorted(reservations, key=lambda each: each.scope):
            now = {budget.duration: budget for budget in budgets_of(each)}
            were = kept.get(each.scope, {})
            gone = [[each.scope, duration] for duration in were.keys() - now.keys()]
            if gone:
                keys = {"keys": encode_json(sorted(gone))}
                await self._transaction.execute(self._sql("remove_scope_budgets"), keys)
            news = [
                budget
                for duration, budget in now.items()
                if duration not in were or were[duration] != (budget, were[duration][1])
            ]
            seen = [
                budget
                for duration, budget in now.items()
                if budget not in news and were[duration][1] < at - _SEEN_EVERY
            ]
            for budget in (*news, *seen):
                row = BUDGETS.encode(SeenBudget(**asdict(budget), seen_at=at))
                await self._transaction.execute(self._sql("put_scope_budget"), row)
            await self._tell(each.scope, news, at)

    async def charged(self, charges: Sequence[Charge]) -> None:
        """Tell what charges have passed that were written and added up."""
        on_budgets = put_on_budgets(charges)
        if not on_budgets:
            return
        at = max(charge.created_at for charge in charges)
        kept = await self._kept({scope for scope, _ in on_budgets})
        for scope in sorted(kept):
            await self._tell(scope, [budget for budget, _ in kept[scope].values()], at)

    async def _kept(self, scopes: Iterable[str]) -> dict[str, dict[str, tuple[ScopeBudget, datetime]]]:
        """By scope and duration, the budgets with when they were seen."""
        found: dict[str, dict[str, tuple[ScopeBudget, datetime]]] = {}
        keys = {"keys": encode_keys(sorted(scopes))}
        for row in await self._transaction.fetch_all(self._sql("scope_budgets"), keys):
            seen = BUDGETS.decode(row)
            found.setdefault(seen.scope, {})[seen.duration] = (seen.budget, seen.seen_at)
        return found

    async def _tell(self, scope: str, budgets: Iterable[ScopeBudget], at: datetime) -> None:
        for budget in budgets:
            # before looking: whoever has the lock later sees all that others have charged, on any day
            await lock_subject(self._transaction, self._queries, scope)
            since = {"keys": encode_json([[scope, to_days(budget.since(at) or date.min)]])}
            row = await self._transaction.fetch_one(self._sql("spent"), since)
            for telling in budget.tellings(from_nanodollars(row[1] if row else 0), at):
                await self._tellings.tell(telling)


async def lock_subject(transaction: Transaction, queries: Queries, subject: str) -> None:
    """Let nobody else tell of a subject until the end of the transaction.

    It is another lock than that of a scope: who is charged does not wait for those who create.
    """
    await lock_scope(transaction, queries, f"told {subject}")
