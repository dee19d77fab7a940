"""What was spent: sums of charges, and what they are put on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from enum import StrEnum

import msgspec

from litebatch_asgi.models.batches import Charge


class SpendField(StrEnum):
    """By what spend may be put together."""

    DAY = "day"
    OWNER = "owner"
    KEY = "key"
    TEAM = "team"
    MODEL = "model"
    DEPLOYMENT = "deployment"


class SpendQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which spend to sum up. None: whatever it is."""

    group_by: tuple[SpendField, ...] = (SpendField.DAY,)
    """one sum for each combination; empty: one of everything"""
    start: date | None = None
    """the first UTC day"""
    end: date | None = None
    """the last UTC day, which counts"""
    owner: str | None = None
    key: str | None = None
    """the id of a key"""
    team: str | None = None
    model: str | None = None
    """the one that answered"""
    deployment: str | None = None
    limit: int
    """rows at most, the first ones in the order of `group_by`"""


class Spend(msgspec.Struct, frozen=True, kw_only=True):
    """What charges come to. A field that was not grouped by is None."""

    day: date | None = None
    owner: str | None = None
    key: str | None = None
    """'' where no key is known"""
    team: str | None = None
    """'' where there is none"""
    model: str | None = None
    deployment: str | None = None
    cost: Decimal = Decimal(0)
    """US dollars, exact to 1e-9, of what has a price"""
    input_tokens: int = 0
    cached_tokens: int = 0
    """those of `input_tokens` that came from a cache"""
    output_tokens: int = 0
    requests: int = 0
    """the successful ones"""
    unpriced_requests: int = 0
    """those of them that `cost` leaves out"""
    batches: int = 0
    """jobs that were settled; of one with several answering models, one for each that is counted apart"""


class SpendPage(msgspec.Struct, frozen=True, kw_only=True):
    """What was spent on some days."""

    group_by: tuple[SpendField, ...]
    items: Sequence[Spend]
    """one for each combination of what was grouped by, in that order"""
    total: Spend
    """of everything, also of what the limit left out of `items`"""
    start: date
    """the first UTC day"""
    end: date
    """the last UTC day, which counts"""
    has_more: bool
    """whether the limit left anything out of `items`"""


class ChargedModel(msgspec.Struct, frozen=True, kw_only=True):
    """What a job was charged for a model, with all corrections."""

    charge: Charge
    """the first one, with the usage that is priced"""
    last: Charge
    """the newest correction, which the next one corrects; the first charge where there is none"""
    cost: Decimal | None
    """the sum; None: no part of it has a price"""
    unpriced_requests: int
    """the sum"""
    assumed_cost: Decimal
    """the sum"""
    virtual_model: str | None
    """the batch's; None: the batch is gone"""
    endpoint: str | None
