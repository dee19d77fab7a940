"""The seam to the account: what was charged, summed up by day, and what of budgets is used up.

Charges are written by `Storage.change_batch`, in the transaction that settles their job, and so are the sums:
they are those of the charges at every moment, to the nano-dollar.

Each sentence of the docstrings is held by a test of `litebatch_asgi.testing.conformance.StorageConformance`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Protocol

from litebatch_asgi.models import Charge, ChargedModel, Held, Spend, SpendQuery


class Ledger(Protocol):
    """Sums of charges, and their corrections.

    A charge counts on the UTC day of its `created_at`, for the scopes that it names, and in the `cost` of its
    batch. One that has no cost counts 0 there, and its requests as unpriced.

    The budgets of a scope are known as they were when a batch was last created with a reservation in it.
    Whoever writes charges, writes events of the budgets that they pass in the same transaction, as does who
    creates a batch under other budgets than before: `budget.soft` once more was charged in the period than
    `soft_budget`, `budget.reached` once as much as `max_budget`. Each is told once a scope, duration and
    period, however many write at a time. What is in them: `models.budgets`.

    Every method may raise `StorageUnavailable`, and does when the storage is not open.
    """

    async def spend(self, query: SpendQuery) -> list[Spend]:
        """The sums of charges, in order of the fields that they are grouped by.

        They are those of the same charges, however they are put together and narrowed down.
        """
        ...

    async def spent(self, since: Mapping[str, date | None]) -> dict[str, Decimal]:
        """The US dollars charged to each of the scopes since a UTC day, which counts; None: ever.

        A scope that nothing was charged to has spent 0.
        """
        ...

    async def held(self, scopes: Collection[str]) -> dict[str, Held]:
        """What the open batches of each of the scopes hold."""
        ...

    async def charged(
        self, since: datetime, *, model: str | None = None, after: Charge | None = None, limit: int
    ) -> list[ChargedModel]:
        """What jobs were first charged for since then, in order of time and then id of the first charges.

        `after` is the first charge of the last one of the page before; `model` the one that answered, or the
        batch's.
        """
        ...

    async def correct(self, corrections: Sequence[Charge]) -> int:
        """Write corrections with all sums, in one transaction; how many were written.

        One whose charge has been corrected meanwhile is passed over. The `cost` and
        `unpriced_requests` of a batch that is there are the sums of its charges afterwards; the cost is None
        while what a job used of a model has no price. Raises `StateConflict` if a charge to correct was not
        there before, and then none is written.
        """
        ...
