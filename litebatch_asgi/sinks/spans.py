"""The span that tells of a batch that has ended. Pure; needs OpenTelemetry's SDK."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event as SpanEvent
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from litebatch_asgi.models import Deployment, Event
from litebatch_asgi.tracing import attributes as told
from litebatch_asgi.tracing.w3c import TraceParent, parse_traceparent

_SCOPE = InstrumentationScope("litebatch_asgi")
_STEPS = ("in_progress", "finalizing", "cancelling")
_FAILURES = frozenset({"failed", "expired"})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def span_of(event: Event, deployment: Deployment | None, resource: Resource) -> ReadableSpan:
    """The span of the batch of an event that is its end; `deployment` ran it, None: nobody knows it here.

    It lasts from the creation to the end, and its own events are the changes of status between. It is a
    trace of its own, linked to the request that made the batch. Its ids are made of the batch's: so they
    are the same in each process and at each repetition.
    """
    payload = event.payload
    status = str(payload.get("status"))
    return ReadableSpan(
        name=f"batch {payload.get('model')}",
        context=_context(span_ids(event.subject), is_remote=False),
        resource=resource,
        attributes=_attributes(event, deployment),
        events=_steps(payload),
        links=_links(payload),
        kind=SpanKind.CLIENT,
        status=Status(StatusCode.ERROR, status) if status in _FAILURES else Status(),
        start_time=_nanoseconds(_moment(payload, "created_at") or event.created_at),
        end_time=_nanoseconds(event.created_at),
        instrumentation_scope=_SCOPE,
    )


def span_ids(batch_id: str) -> TraceParent:
    """Of the trace and the span that tell of a batch: the first 16 and the next 8 bytes of a digest."""
    digest = hashlib.blake2b(batch_id.encode(), digest_size=24, person=b"litebatch.span").digest()
    return TraceParent(int.from_bytes(digest[:16]), int.from_bytes(digest[16:]), TraceFlags.SAMPLED)


def _attributes(event: Event, deployment: Deployment | None) -> told.Attributes:
    payload = event.payload
    model, endpoint, status = (payload.get(name) for name in ("model", "endpoint", "status"))
    usage: Mapping[str, int] = payload.get("usage") or {}
    counts: Mapping[str, int] = payload.get("counts") or {}
    cost = payload.get("cost")
    known: dict[str, told.Value | None] = {
        told.OPERATION: told.operation_name(endpoint),
        told.PROVIDER: told.provider_name(deployment.provider) if deployment else None,
        told.MODEL: deployment.upstream_model_for(str(model)) if deployment else model,
        "gen_ai.usage.input_tokens": usage.get("input_tokens"),
        "gen_ai.usage.cache_read.input_tokens": usage.get("cached_tokens"),
        "gen_ai.usage.output_tokens": usage.get("output_tokens"),
        "gen_ai.usage.reasoning.output_tokens": usage.get("reasoning_tokens"),
        "gen_ai.usage.cost": None if cost is None else float(cost),
        "user.id": event.owner,
        told.ERROR_TYPE: _error_type(payload) if status in _FAILURES else None,
        told.BATCH: event.batch_id,
        told.FILE: payload.get("input_file_id"),
        told.OWNER: event.owner,
        told.VIRTUAL_MODEL: model,
        told.DEPLOYMENT: payload.get("deployment"),
        told.ENDPOINT: endpoint,
        told.STATUS: status,
        told.REQUESTS: counts.get("total"),
        "litebatch.requests.completed": counts.get("completed"),
        "litebatch.requests.failed": counts.get("failed"),
    }
    return {name: value for name, value in known.items() if value is not None}


def _error_type(payload: Mapping[str, Any]) -> str:
    """The code of the first error; messages may quote what clients have sent."""
    errors: list[Mapping[str, Any]] = payload.get("errors") or []
    return str((errors[0].get("code") if errors else None) or payload.get("status"))


def _steps(payload: Mapping[str, Any]) -> list[SpanEvent]:
    moments = [(step, _moment(payload, f"{step}_at")) for step in _STEPS]
    return [
        SpanEvent(f"batch.{step}", timestamp=_nanoseconds(moment))
        for step, moment in moments
        if moment is not None
    ]


def _links(payload: Mapping[str, Any]) -> list[Link]:
    request = parse_traceparent(payload.get("traceparent"))
    return [] if request is None else [Link(_context(request, is_remote=True))]


def _context(named: TraceParent, *, is_remote: bool) -> SpanContext:
    return SpanContext(named.trace_id, named.span_id, is_remote, TraceFlags(named.flags))


def _moment(payload: Mapping[str, Any], name: str) -> datetime | None:
    text = payload.get(name)
    return None if text is None else datetime.fromisoformat(text)


def _nanoseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND * 1000
