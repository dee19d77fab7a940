"""Batches as spans of OpenTelemetry, given to a collector one by one as they end."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import anyio

from litebatch_asgi.catalog import Catalog
from litebatch_asgi.models import Event
from litebatch_asgi.threads import in_daemon_thread
from litebatch_asgi.tracing import collector

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

NAME = "otel"
AT_ONCE = 8
"""spans that are being sent at a time"""
ENDS = frozenset({"batch.completed", "batch.failed", "batch.expired", "batch.cancelled"})


class CollectorFailed(Exception):
    """The collector has not taken a span; the exporter has logged why."""


class OpenTelemetrySink:
    """Gives each batch that has ended to the collector that OTEL_EXPORTER_OTLP_* names, as one span.

    Events of other types are taken and sent nowhere: what of them is a change of the batch's status its span
    tells. Delivered again it is the same span, see `span_of`. Raises `ConfigError` if OpenTelemetry's SDK is
    not installed.
    """

    name: str = NAME
    is_ordered: bool = False

    def __init__(self, catalog: Catalog) -> None:
        self._exporter = collector.span_exporter(os.environ)
        from litebatch_asgi.sinks.spans import span_of

        self._span_of = span_of
        self._catalog = catalog
        self._resource = collector.resource()
        self._places = anyio.Semaphore(AT_ONCE)

    async def deliver(self, event: Event) -> None:
        """See `Sink.deliver`."""
        if event.type not in ENDS:
            return
        deployment = self._catalog.deployments.get(event.payload.get("deployment") or "")
        span = self._span_of(event, deployment, self._resource)
        async with self._places:
            is_taken = await in_daemon_thread(lambda: self._is_taken(span))
        if not is_taken:
            raise CollectorFailed("the collector has not taken the span of a batch; the log tells why")

    def _is_taken(self, span: ReadableSpan) -> bool:
        return self._exporter.export([span]).name == "SUCCESS"
