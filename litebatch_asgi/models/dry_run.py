"""What a batch would be: said without making it."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from litebatch_asgi.models.lines import Lane
from litebatch_asgi.models.waiting import DeploymentWait, WaitingFor


class DeploymentOutlook(msgspec.Struct, frozen=True, kw_only=True):
    """What one of the deployments of the model would do."""

    deployment_id: str | None
    """None: it is not for the caller to know, nor is what its provider has answered"""
    lane: Lane
    """how it would run there"""
    takes_it_now: bool
    """whether it would be asked at once, as far as is known"""
    waiting_for: DeploymentWait | None
    """what stands in the way there; None: nothing"""
    estimated_cost: Decimal | None
    """in US dollars, at its own prices; None: unknown"""
    price_source: str
    """who says so"""


class Obstacle(msgspec.Struct, frozen=True, kw_only=True):
    """A limit that a create would be refused for now. Numbers, or US dollars where it is one of money."""

    limit: str
    """such as `max_open_batches` or `max_budget`"""
    whose: str | None = None
    """None: the request's own"""
    most: int | Decimal | None
    used: int | Decimal | None
    """what is held, and of a budget what is spent as well"""
    asked: int | Decimal | None
    """None, as the two above: nobody knows, for the model has no price"""
    message: str
    """what the create would be told"""


class DryRun(msgspec.Struct, frozen=True, kw_only=True):
    """What a batch is estimated to consume and cost, and whether it would begin now."""

    model: str
    endpoint: str
    requests: int
    input_tokens: int
    guessed_input_tokens: int
    """those of them that are a guess: for images, and for what the requests only name"""
    estimated_output_tokens: int
    highest_output_tokens: int | None
    """None: a request sets no limit"""
    estimated_cost: Decimal | None
    """in US dollars, at the dearest deployment; None: unknown"""
    highest_cost: Decimal | None
    """with answers as long as their requests allow; None: unknown, or a request sets no limit"""
    price_source: str
    """who says so"""
    waiting_for: WaitingFor | None
    """what it would wait for; None: a deployment takes it now"""
    deployments: tuple[DeploymentOutlook, ...]
    """all that serve the model"""
    would_exceed: tuple[Obstacle, ...]
    """limits of the caller's that it does not fit into now"""
