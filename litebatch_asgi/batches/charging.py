"""What a settled job is charged: one charge for each model that has answered."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from litebatch_asgi.jsonl import ModelTally, Tally
from litebatch_asgi.models import Batch, Charge, ChargedUsage, Job
from litebatch_asgi.models.ids import CHARGE_PREFIX, new_id


def usage_by_model(tally: Tally, upstream_model: str) -> Mapping[str, ChargedUsage]:
    """What each model consumed; answers that do not tell their model count as the upstream model's.

    A job of which no request has succeeded has consumed nothing of the upstream model.
    """
    tallies: dict[str, ModelTally] = {}
    for told, each in tally.models.items():
        model = upstream_model if told is None else told
        tallies[model] = tallies[model] + each if model in tallies else each
    return {model: _charged(each) for model, each in (tallies or {upstream_model: ModelTally()}).items()}


def charges_for(
    usages: Mapping[str, ChargedUsage], batch: Batch, job: Job, now: datetime
) -> tuple[Charge, ...]:
    """The charges of a job of a batch."""
    assert job.deployment_id is not None
    return tuple(
        Charge(
            id=new_id(CHARGE_PREFIX),
            job_id=job.id,
            batch_id=job.batch_id,
            deployment_id=job.deployment_id,
            owner=batch.owner,
            created_by=batch.created_by,
            model=model,
            usage=usage,
            cost=None,
            price_source=None,
            created_at=now,
        )
        for model, usage in usages.items()
    )


def _charged(tally: ModelTally) -> ChargedUsage:
    fields: dict[str, Any] = msgspec.structs.asdict(tally.usage)
    buckets = tuple(tally.buckets[above] for above in sorted(tally.buckets))
    return ChargedUsage(**fields, requests=tally.requests, unpriced_requests=tally.requests, buckets=buckets)
