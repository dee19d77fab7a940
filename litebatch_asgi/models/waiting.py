"""What a batch waits for, as it is kept with it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

import msgspec


class WaitReason(StrEnum):
    """What keeps a batch from going on."""

    COPIES = "copies_not_ready"
    """no deployment has a copy of the input that can be used"""
    BUSY = "deployments_busy"
    """every deployment asks to wait, or has no room"""
    KEY = "provider_key_rejected"
    """no provider accepts the gateway's key"""
    UNREACHABLE = "deployments_unreachable"
    """no deployment can be reached, or each answers with an error of its own"""
    COOLDOWN = "deployments_cool_down"
    """every deployment has refused, for different reasons or for others than these"""
    TOKENS = "enqueued_tokens"
    """no deployment has room for its tokens beside those of the batches that are open there"""
    DRAINED = "deployments_drained"
    """operators keep new batches away from every deployment"""
    UNCLEAR = "answer_unclear"
    """a deployment may or may not have the batch: it is searched for there"""
    GONE = "deployment_gone"
    """the deployment that has it is in no configuration"""
    RESULTS = "results_incomplete"
    """it has ended at its provider, which does not give all results"""
    CANARY = "canary"
    """some of its requests are tried first"""


class DeploymentWait(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What stands in the way at one deployment."""

    reason: str
    """such as `busy`, `key_rejected`, `copy_pending`"""
    status: int | None = None
    """what it answered last"""
    code: str | None = None
    """the provider's word for it, such as `token_limit_exceeded`"""
    said: str | None = None
    """what the provider said, where that tells numbers"""
    retry_after: float | None = None
    """for how many seconds it asked not to be asked"""
    until: datetime | None = None
    """when it is asked again"""
    limit: int | None = None
    """tokens that it takes at once, where that is what stands in the way"""
    used: int | None = None
    """those of them that are in use"""


class WaitingFor(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a batch waits for.

    Reasons are texts here: a process of an older version reads what a newer one has written.
    """

    reason: str
    """a `WaitReason`"""
    until: datetime | None = None
    """when it is looked at again, if that is known"""
    requests: int | None = None
    """how many a batch has that waits for room; None: it waits for other things"""
    tokens: int | None = None
    """what those are estimated at"""
    deployments: Mapping[str, DeploymentWait] = {}
    """what stands in the way where, by deployment id; for operators alone"""
    earlier: tuple[str, ...] = ()
    """other reasons since it began to wait: the story of a batch tells each of them once"""
