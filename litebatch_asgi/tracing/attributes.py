"""What spans are told by: attributes of the objects they are about. Pure.

Names are those of OpenTelemetry's semantic conventions for generative AI where these have one, otherwise
`litebatch.*`. Prompts, answers, file names, metadata of clients and texts of errors are in none of them.
Source of the names and of the well-known values: OpenTelemetry, "Semantic conventions for generative AI
systems", attribute registry `gen_ai`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from litebatch_asgi.models import Batch, File, FileCopy, Job, OutboxItem
from litebatch_asgi.tracing.seam import ListRound, Subject, Upstream

Value: TypeAlias = str | int | float | bool
Attributes: TypeAlias = dict[str, Value]

PROVIDER, MODEL, OPERATION = "gen_ai.provider.name", "gen_ai.request.model", "gen_ai.operation.name"
ERROR_TYPE = "error.type"
BATCH, FILE, JOB = "litebatch.batch.id", "litebatch.file.id", "litebatch.job.id"
DEPLOYMENT, OWNER, VIRTUAL_MODEL = "litebatch.deployment.id", "litebatch.owner", "litebatch.model"
ENDPOINT, STATUS, REQUESTS = "litebatch.endpoint", "litebatch.batch.status", "litebatch.requests"

_PROVIDERS = {
    "azure": "azure.ai.openai",
    "gemini": "gcp.gemini",
    "mistral": "mistral_ai",
    "vertex_ai": "gcp.vertex_ai",
}
"""where the well-known name is another than what `model` of a deployment begins with"""
_OPERATIONS = {
    "/v1/chat/completions": "chat",
    "/v1/responses": "chat",
    "/v1/completions": "text_completion",
    "/v1/embeddings": "embeddings",
}


def attributes_of(*subjects: Subject) -> Attributes:
    """What they say together; of two that say the same the later counts."""
    told: Mapping[str, Value | None] = {}
    for subject in subjects:
        told = {**told, **_BY_TYPE[type(subject)](subject)}
    return {name: value for name, value in told.items() if value is not None}


def provider_name(provider: str) -> str:
    """What the conventions call a provider."""
    return _PROVIDERS.get(provider, provider)


def operation_name(endpoint: str | None) -> str | None:
    """What the conventions call the requests of an endpoint; None: nothing."""
    return _OPERATIONS.get(endpoint or "")


def _of_batch(batch: Batch) -> Mapping[str, Value | None]:
    return {
        BATCH: batch.id,
        FILE: batch.input_file_id,
        OWNER: batch.owner,
        VIRTUAL_MODEL: batch.model,
        MODEL: batch.model,
        ENDPOINT: batch.endpoint,
        OPERATION: operation_name(batch.endpoint),
        STATUS: batch.status.value,
        REQUESTS: batch.counts.total,
    }


def _of_job(job: Job) -> Mapping[str, Value | None]:
    return {
        JOB: job.id,
        BATCH: job.batch_id,
        DEPLOYMENT: job.deployment_id,
        REQUESTS: job.requests,
        "litebatch.job.attempt": job.attempt,
    }


def _of_file(file: File) -> Mapping[str, Value | None]:
    model = file.models[0] if file.models else None
    return {
        FILE: file.id,
        OWNER: file.owner,
        VIRTUAL_MODEL: model,
        MODEL: model,
        ENDPOINT: file.endpoint,
        OPERATION: operation_name(file.endpoint),
        REQUESTS: file.lines,
        "litebatch.file.purpose": file.purpose,
        "litebatch.file.bytes": file.bytes,
    }


def _of_copy(copy: FileCopy) -> Mapping[str, Value | None]:
    return {FILE: copy.file_id, DEPLOYMENT: copy.deployment_id, "litebatch.file.bytes": copy.bytes}


def _of_item(item: OutboxItem) -> Mapping[str, Value | None]:
    event = item.event
    return {
        "litebatch.sink": item.delivery.sink,
        BATCH: event.batch_id,
        OWNER: event.owner,
        "litebatch.event.id": event.id,
        "litebatch.event.type": event.type,
        "litebatch.event.subject": event.subject,
    }


def _of_upstream(upstream: Upstream) -> Mapping[str, Value | None]:
    return {PROVIDER: provider_name(upstream.provider), MODEL: upstream.model}


def _of_round(round_: ListRound) -> Mapping[str, Value | None]:
    return {
        DEPLOYMENT: round_.deployment_id,
        "litebatch.jobs": round_.jobs,
        "litebatch.jobs.listed": round_.listed,
    }


_BY_TYPE: Mapping[type, Callable[[Any], Mapping[str, Value | None]]] = {
    Batch: _of_batch,
    Job: _of_job,
    File: _of_file,
    FileCopy: _of_copy,
    OutboxItem: _of_item,
    Upstream: _of_upstream,
    ListRound: _of_round,
}
