"""Traces: what was done in which request, for whoever follows it with OpenTelemetry.

Spans are kept only where the host, or `litebatch serve` for itself, has set a tracer provider; until then
nothing of OpenTelemetry is imported here, and whether it is installed makes no difference.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import AbstractContextManager
from functools import cache
from typing import TYPE_CHECKING

from litebatch_asgi.tracing.seam import NO_TRACING as NO_TRACING
from litebatch_asgi.tracing.seam import ListRound as ListRound
from litebatch_asgi.tracing.seam import Span as Span
from litebatch_asgi.tracing.seam import Subject as Subject
from litebatch_asgi.tracing.seam import Tracing as Tracing
from litebatch_asgi.tracing.seam import Upstream as Upstream

if TYPE_CHECKING:
    from litebatch_asgi.tracing.spans import OpenTelemetry

_API = "opentelemetry.trace"


def prepare() -> None:
    """Load what keeps spans, if that is there by now: it reads files, which no event loop is to wait for."""
    if _API in sys.modules:
        _opentelemetry()


def span(name: str, *subjects: Subject, link: str | None = None) -> AbstractContextManager[Span]:
    """See `Tracing.span`."""
    return _current().span(name, *subjects, link=link)


def calling(name: str, *subjects: Subject, link: str | None = None) -> AbstractContextManager[Span]:
    """See `Tracing.calling`."""
    return _current().calling(name, *subjects, link=link)


def request(headers: Iterable[tuple[bytes, bytes]]) -> AbstractContextManager[None]:
    """See `Tracing.request`."""
    return _current().request(headers)


def traceparent() -> str | None:
    """See `Tracing.traceparent`."""
    return _current().traceparent()


def outgoing() -> dict[str, str]:
    """See `Tracing.outgoing`."""
    return _current().outgoing()


def leave_request() -> None:
    """See `Tracing.leave_request`."""
    _current().leave_request()


def _current() -> Tracing:
    """Who keeps spans now. Where nobody has imported OpenTelemetry nobody can have set it up."""
    api = sys.modules.get(_API)
    if api is None or not hasattr(api, "set_tracer_provider"):  # another thread is importing it
        return NO_TRACING
    provider = api.get_tracer_provider()
    if isinstance(provider, (api.ProxyTracerProvider, api.NoOpTracerProvider)):
        return NO_TRACING
    return _opentelemetry().at(provider)


@cache
def _opentelemetry() -> OpenTelemetry:
    from litebatch_asgi.tracing.spans import OpenTelemetry

    return OpenTelemetry()
