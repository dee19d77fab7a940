"""Budgets of scopes in memory, and what is told of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from litebatch_asgi.models import Charge, Reservation
from litebatch_asgi.models.budgets import ScopeBudget, budgets_of
from litebatch_asgi.models.sums import put_on_budgets
from litebatch_asgi.models.tellings import Telling
from litebatch_asgi.testing.drafts import Draft
from litebatch_asgi.testing.outbox import MemoryOutbox
from litebatch_asgi.testing.tables import Tables


class MemoryBudgets:
    """Keeps budgets as they were when a batch was created last."""

    def __init__(self, tables: Tables, outbox: MemoryOutbox) -> None:
        self._tables = tables
        self._outbox = outbox

    def write(
        self, draft: Draft, charges: Sequence[Charge], reservations: Sequence[Reservation] = ()
    ) -> None:
        """Keep the budgets of reservations, and tell what is passed with these charges. Once a draft."""
        kept = self._tables.budgets
        given = {each.scope: budgets_of(each) for each in reservations}
        for each in reservations:
            draft.put(self._tables.budgets_seen, each.scope, each.at)
        draft.remove_keys(kept, lambda key: key[0] in given)
        new = [budget for budgets in given.values() for budget in budgets]
        for budget in new:
            draft.put(kept, (budget.scope, budget.duration), budget)
        scopes = {scope for scope, _ in put_on_budgets(charges)}
        charged = [budget for budget in kept.values() if budget.scope in scopes - given.keys()]
        self._outbox.tell_all(draft, self._tellings([*new, *charged], charges, reservations))

    def _tellings(
        self, budgets: Iterable[ScopeBudget], charges: Sequence[Charge], reservations: Sequence[Reservation]
    ) -> Iterable[Telling]:
        times = [*(charge.created_at for charge in charges), *(each.at for each in reservations)]
        for budget in sorted(budgets, key=lambda each: (each.scope, each.duration)):
            at = max(times)
            spent = self._tables.spent(budget.scope, budget.since(at), charges)
            yield from budget.tellings(spent, at)
