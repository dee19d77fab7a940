"""What a batch waits for that no deployment has taken yet."""

from __future__ import annotations

import re
from datetime import datetime

from msgspec.structs import replace

from litebatch_asgi.batches.targets import Tries, chances
from litebatch_asgi.models import (
    Batch,
    CopyState,
    DeploymentWait,
    FileCopy,
    FileState,
    Shard,
    WaitingFor,
    WaitReason,
)
from litebatch_asgi.refusals import Refusal
from litebatch_asgi.runtime import Runtime
from litebatch_asgi.scrub import scrub

_TOKENS = "enqueued_tokens"
_DRAINED = "drained"
_LEFT = "moved_away"
_OTHER_LANE = "other_lane"
_WITHOUT_ROOM = {Refusal.BUSY.value, _TOKENS}
_REASONS = {
    _TOKENS: WaitReason.TOKENS,
    Refusal.BUSY.value: WaitReason.BUSY,
    Refusal.KEY.value: WaitReason.KEY,
    Refusal.UNREACHABLE.value: WaitReason.UNREACHABLE,
}
_ANSWERED = re.compile(r"^the provider answered \d+( \S+)?: ")
"""what adapters put before it"""
_LONGEST_SAID = 200
"""characters of a provider's words"""
_COPY_STATES = {
    CopyState.PENDING: "copy_pending",
    CopyState.FAILED: "copy_failed",
}


def waiting_for(runtime: Runtime, batch: Batch, file: FileState, tries: Tries, shard: Shard) -> WaitingFor:
    """Why no deployment is asked now: what each of them said last, or how far its copy is.

    `shard` is what is to run, and what room is needed for; `file` has its copies alone.
    What another process was told is taken from what the batch waited for before.
    """
    asked_at = chances(runtime, file, batch.model, until=batch.expires_at, tries=tries)
    copies = {copy.deployment_id: copy for copy in file.copies}
    there: dict[str, DeploymentWait] = {}
    for where in runtime.fleet.deployments_for(batch.model):
        if where in asked_at:
            there[where] = _told(runtime, batch, where, asked_at[where], tries)
        elif where in runtime.presence.drained:
            there[where] = DeploymentWait(reason=_DRAINED)
        elif where in tries.left:
            there[where] = DeploymentWait(reason=_LEFT)
        elif where in tries.closed:
            there[where] = DeploymentWait(reason=_OTHER_LANE)
        else:
            there[where] = _copy(copies.get(where))
    if not asked_at:
        reasons = {each.reason for each in there.values()} - {_OTHER_LANE}
        are_drained = bool(reasons) and reasons <= {_DRAINED, _LEFT}
        reason = WaitReason.DRAINED if are_drained else WaitReason.COPIES
        return WaitingFor(reason=reason.value, deployments=there)
    said = {there[where].reason for where in asked_at}
    if said == _WITHOUT_ROOM:
        said = {Refusal.BUSY.value}
    reason = _REASONS.get(said.pop(), WaitReason.COOLDOWN) if len(said) == 1 else WaitReason.COOLDOWN
    needs_room = any(each.reason in _WITHOUT_ROOM for each in there.values())
    return WaitingFor(
        reason=reason.value,
        until=min(asked_at.values()),
        requests=shard.lines if needs_room else None,
        tokens=shard.tokens if needs_room else None,
        deployments=there,
    )


def _told(runtime: Runtime, batch: Batch, where: str, until: datetime, tries: Tries) -> DeploymentWait:
    """Of a deployment that may be asked: that it has no room, unless it rests, or what it said last."""
    full = tries.full.get(where)
    if full is None or runtime.fleet.cooldown_left(where):
        return _refusal(runtime, batch, where, until)
    return DeploymentWait(reason=_TOKENS, until=until, limit=full.limit, used=full.used)


def _refusal(runtime: Runtime, batch: Batch, where: str, until: datetime) -> DeploymentWait:
    refusal = runtime.fleet.last_refusal(where)
    if refusal is not None:
        is_busy = refusal.kind is Refusal.BUSY
        return DeploymentWait(
            reason=refusal.kind.value,
            status=refusal.status,
            code=refusal.code if is_busy else None,
            said=_said(refusal.said) if is_busy and refusal.code else None,
            retry_after=refusal.retry_after,
            until=until,
        )
    known = batch.waiting_for.deployments.get(where) if batch.waiting_for is not None else None
    if known is not None and known.until is not None:
        return replace(known, until=until)
    return DeploymentWait(reason=Refusal.OTHER.value, until=until)


def _said(text: str) -> str | None:
    """What a provider has said, without names and keys, and short."""
    said = " ".join(scrub(_ANSWERED.sub("", text), names={}).split())
    return said if len(said) <= _LONGEST_SAID else f"{said[:_LONGEST_SAID]}..."


def _copy(copy: FileCopy | None) -> DeploymentWait:
    if copy is None:
        return DeploymentWait(reason="copy_missing")
    error = copy.error if copy.state is CopyState.FAILED else None
    said = _said(error) if error is not None else None
    return DeploymentWait(reason=_COPY_STATES.get(copy.state, "copy_missing"), said=said)
