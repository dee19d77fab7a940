"""What a batch waits for that no deployment has taken yet."""

from __future__ import annotations

from datetime import datetime

from litebatch_asgi.batches.targets import Tries, chances
from litebatch_asgi.models import (
    Batch,
    CopyState,
    DeploymentWait,
    FileCopy,
    FileState,
    WaitingFor,
    WaitReason,
)
from litebatch_asgi.refusals import Refusal
from litebatch_asgi.runtime import Runtime

_REASONS = {
    Refusal.BUSY.value: WaitReason.BUSY,
    Refusal.KEY.value: WaitReason.KEY,
    Refusal.UNREACHABLE.value: WaitReason.UNREACHABLE,
}
_COPY_STATES = {
    CopyState.PENDING: "copy_pending",
    CopyState.FAILED: "copy_failed",
}


def waiting_for(runtime: Runtime, batch: Batch, file: FileState, tries: Tries) -> WaitingFor:
    """Why no deployment is asked now: what each of them said last, or how far its copy is.

    What another process was told is taken from what the batch waited for before.
    """
    asked_at = chances(runtime, file, batch.model, until=batch.expires_at, tries=tries)
    copies = {copy.deployment_id: copy for copy in file.copies}
    there = {
        where: _refusal(runtime, batch, where, asked_at[where])
        if where in asked_at
        else _copy(copies.get(where))
        for where in runtime.fleet.deployments_for(batch.model)
    }
    if not asked_at:
        return WaitingFor(reason=WaitReason.COPIES.value, deployments=there)
    said = {there[where].reason for where in asked_at}
    reason = _REASONS.get(said.pop(), WaitReason.COOLDOWN) if len(said) == 1 else WaitReason.COOLDOWN
    return WaitingFor(reason=reason.value, until=min(asked_at.values()), deployments=there)


def _refusal(runtime: Runtime, batch: Batch, where: str, until: datetime) -> DeploymentWait:
    refusal = runtime.fleet.last_refusal(where)
    if refusal is not None:
        return DeploymentWait(reason=refusal.kind.value, status=refusal.status, until=until)
    known = batch.waiting_for.deployments.get(where) if batch.waiting_for is not None else None
    if known is not None and known.until is not None:
        return DeploymentWait(reason=known.reason, status=known.status, until=until)
    return DeploymentWait(reason=Refusal.OTHER.value, until=until)


def _copy(copy: FileCopy | None) -> DeploymentWait:
    return DeploymentWait(reason=_COPY_STATES.get(copy.state, "copy_missing") if copy else "copy_missing")
