"""What a batch would be: said without making it."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from litebatch_asgi.models.limits import Exceeded
from litebatch_asgi.models.waiting import DeploymentWait, WaitingFor


class DeploymentOutlook(msgspec.Struct, frozen=True, kw_only=True):
    """What one of the deployments of the model would do."""

    deployment_id: str | None
    """None: it is not for the caller to know, nor is what its provider has answered"""
    takes_it_now: bool
    """whether it would be asked at once, as far as is known"""
    waiting_for: DeploymentWait | None
    """what stands in the way there; None: nothing"""
    estimated_cost: Decimal | None
    """in US dollars, at its own prices; None: unknown"""
    price_source: str
    """who says so"""


class DryRun(msgspec.Struct, frozen=True, kw_only=True):
    """What a batch is estimated to consume and cost, and whether it would begin now."""

    model: str
    endpoint: str
    requests: int
    input_tokens: int
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
    would_exceed: tuple[Exceeded, ...]
    """limits of the caller's that it does not fit into now"""
