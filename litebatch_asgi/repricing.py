"""Repricing: charges become what today's prices make them, by corrections. What was written stays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import NamedTuple

import msgspec

from litebatch_asgi.catalog import Catalog
from litebatch_asgi.costs import CannotReprice, PriceBook, Rates, correction, taken_back
from litebatch_asgi.failpoints import hit
from litebatch_asgi.models import Charge, ChargedModel, Deployment
from litebatch_asgi.models.ids import CHARGE_PREFIX, new_id
from litebatch_asgi.models.money import total
from litebatch_asgi.storage import Storage

PAGE = 500
"""charges that are looked at, and corrected, together"""


class Place(msgspec.Struct, frozen=True, order=True):
    """Whose charges they are."""

    model: str
    """the one that answered"""
    deployment_id: str


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of charges. Changes add up."""

    batches: int = 0
    """jobs that were settled"""
    before: Decimal | None = None
    """US dollars; None: no part of it had a price"""
    after: Decimal = Decimal(0)

    difference: Decimal = Decimal(0)

    def __add__(self, other: Change) -> Change:
        before = (self.before, other.before)
        return Change(
            batches=self.batches + other.batches,
            before=None if before == (None, None) else total(before),
            after=total((self.after, other.after)),
            difference=total((self.difference, other.difference)),
        )


class Repriced(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it."""

    looked_at: int
    """charges"""
    changes: Mapping[Place, Change]
    refused: Mapping[tuple[CannotReprice, Place], int]
    """how many charges stay as they are, though they may be wrong"""

    @property
    def total(self) -> Change:
        """All changes together."""
        return sum(self.changes.values(), Change())


class Repricer:
    """Looks up what charges cost at today's prices for the time at which they were made.

    Safe beside gateways and others of its kind.
    """

    def __init__(self, storage: Storage, catalog: Catalog, prices: PriceBook) -> None:
        self._storage = storage
        self._catalog = catalog
        self._prices = prices

    async def reprice(
        self,
        since: datetime,
        *,
        model: str | None = None,
        take_back: str | None = None,
        dry_run: bool = False,
    ) -> Repriced:
        """Correct what was first charged since then; `model` is the one that answered, or the batch's.

        `take_back` is the id of a batch whose usage is wrong: what it was charged is taken back for good, and
        nothing else is corrected. A dry run writes nothing. Raises `StorageUnavailable`; what was corrected
        by then stays corrected.
        """
        after: Charge | None = None
        looked_at = 0
        changes: dict[Place, Change] = {}
        refused: Counter[tuple[CannotReprice, Place]] = Counter()
        while True:
            read = partial(self._storage.ledger.charged, since, model=model, after=after, limit=PAGE)
            done = await self._page(read, take_back, dry_run=dry_run)
            if done.last is None:
                return Repriced(looked_at=looked_at, changes=changes, refused=refused)
            after = done.last
            looked_at += done.looked_at
            refused.update(done.refused)
            for place, change in done.changes:
                changes[place] = changes.get(place, Change()) + change

    async def _page(
        self, read: Callable[[], Awaitable[list[ChargedModel]]], take_back: str | None, *, dry_run: bool
    ) -> _Page:
        """Correct a page; it is read again where somebody else has corrected something meanwhile."""
        ours: set[str] = set()
        changes: dict[str, tuple[Place, Change]] = {}
        while True:
            page, now = await read(), await self._storage.now()
            corrections: list[Charge] = []
            refused: list[tuple[CannotReprice, Place]] = []
            for each in page:
                place = Place(each.charge.model, each.charge.deployment_id)
                found = self._correction(each, take_back, now)
                if isinstance(found, Charge):
                    corrections.append(found)
                    changes[each.charge.id] = place, _change(each, found)
                elif each.last.id not in ours:
                    changes.pop(each.charge.id, None)
                if isinstance(found, CannotReprice):
                    refused.append((found, place))
            if not corrections or dry_run or await self._are_written(corrections):
                last = page[-1].charge if page else None
                return _Page(last, len(page), list(changes.values()), refused)
            ours.update(each.id for each in corrections)

    async def _are_written(self, corrections: Sequence[Charge]) -> bool:
        hit("reprice.before")
        written = await self._storage.ledger.correct(corrections)
        hit("reprice.written")
        return written == len(corrections)

    def _correction(
        self, charged: ChargedModel, take_back: str | None, now: datetime
    ) -> Charge | CannotReprice | None:
        first = charged.charge
        if take_back is not None:
            is_meant = first.batch_id == take_back
            return taken_back(charged, id=new_id(CHARGE_PREFIX), now=now) if is_meant else None
        deployment = self._catalog.deployment(first.deployment_id, charged.virtual_model)
        rates = None if deployment is None else self._rates(charged, deployment)
        found = correction(charged, rates, id=new_id(CHARGE_PREFIX), now=now)
        is_gone = found is CannotReprice.NO_PRICE and deployment is None
        return CannotReprice.NO_DEPLOYMENT if is_gone else found

    def _rates(self, charged: ChargedModel, deployment: Deployment) -> Rates | None:
        first = charged.charge
        upstream = deployment.upstream_model_for(charged.virtual_model or first.model)
        return self._prices.find(deployment, first.model, upstream_model=upstream, now=first.created_at)


class _Page(NamedTuple):
    last: Charge | None
    """of the first charges; None: there are none left"""
    looked_at: int
    changes: list[tuple[Place, Change]]
    refused: list[tuple[CannotReprice, Place]]


def _change(charged: ChargedModel, correction: Charge) -> Change:
    assert correction.cost is not None
    after = total((charged.cost, correction.cost))
    return Change(batches=1, before=charged.cost, after=after, difference=correction.cost)
