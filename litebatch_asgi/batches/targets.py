"""Targets: which deployment a job goes to, and with which copy of its input."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec

from litebatch_asgi.models import CopyState, FileState
from litebatch_asgi.runtime import Runtime
from litebatch_asgi.strategies import Candidate

_USABLE = frozenset({CopyState.READY, CopyState.DELETING})


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """Where a job goes."""

    deployment_id: str
    provider_file_id: str


async def choose(
    runtime: Runtime, file: FileState, model: str, *, until: datetime, seed: str
) -> Target | None:
    """The best deployment that has a usable copy and is not cooling down; None: none has."""
    copies = usable_copies(file, until)
    deployments = runtime.fleet.deployments_for(model)
    ids = [id_ for id_ in deployments if id_ in copies and not runtime.fleet.cooldown_left(id_)]
    if not ids:
        return None
    load = await runtime.storage.open_requests() if len(ids) > 1 else {}
    candidates = [
        Candidate(deployment_id=id_, weight=deployments[id_].weight, open_requests=load.get(id_, 0))
        for id_ in ids
    ]
    first = runtime.strategy(candidates, seed=seed)[0]
    return Target(deployment_id=first.deployment_id, provider_file_id=copies[first.deployment_id])


def usable_copies(file: FileState, until: datetime) -> Mapping[str, str]:
    """Provider file ids by deployment, of copies that their providers keep until then.

    Those of a deleted file stay usable while a batch needs them.
    """
    return {
        copy.deployment_id: copy.provider_file_id
        for copy in file.copies
        if copy.state in _USABLE and copy.provider_file_id is not None
        if copy.expires_at is None or copy.expires_at >= until
    }
