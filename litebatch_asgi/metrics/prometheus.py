"""Metrics for Prometheus, by prometheus-client (extra `metrics`)."""

from __future__ import annotations

import time
from decimal import Decimal
from functools import partial
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from litebatch_asgi.catalog import Catalog
from litebatch_asgi.metrics import definitions as of
from litebatch_asgi.metrics.adapter import MeasuredAdapter
from litebatch_asgi.metrics.definitions import OTHER, Definition
from litebatch_asgi.metrics.gauges import FigureReader
from litebatch_asgi.metrics.seam import Unbilled
from litebatch_asgi.models import BatchStatus, ChargedUsage, Claim, FileCopy
from litebatch_asgi.provider import ProviderAdapter

_METHODS = frozenset({"GET", "HEAD", "POST", "DELETE", "PUT", "PATCH", "OPTIONS"})


class PrometheusMetrics:
    """Keeps metrics in a registry: of this process, or of one of several workers.

    Where `figures` are given they are kept fresh while the lifespan is entered.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        catalog: Catalog,
        figures: FigureReader | None = None,
    ) -> None:
        self._registry = registry
        self._catalog = catalog
        self._figures = figures
        self._requests = self._counter(of.REQUESTS)
        self._answered: dict[tuple[str, str, int], Counter] = {}
        self._files = self._counter(of.FILES_CREATED)
        self._deleted = self._counter(of.FILES_DELETED)
        self._bytes = self._histogram(of.FILE_BYTES)
        self._uploads = self._histogram(of.UPLOAD_SECONDS)
        self._created = self._counter(of.BATCHES_CREATED)
        self._ended = self._histogram(of.BATCH_SECONDS)
        self._calls = self._histogram(of.CALL_SECONDS)
        self._cooled = self._counter(of.COOLED_DOWN)
        self._resting = self._gauge(of.RESTING_UNTIL)
        self._lost = self._counter(of.LEASES_LOST)
        self._live = self._histogram(of.LIVE_SECONDS)
        self._in_flight = self._gauge(of.LIVE_IN_FLIGHT, of_all="livesum")
        self._ranges = self._gauge(of.LIVE_RANGES, of_all="livesum")
        self._settling = self._histogram(of.SETTLE_SECONDS)
        self._spend = self._counter(of.SPEND)
        self._input = self._counter(of.INPUT_TOKENS)
        self._cached = self._counter(of.CACHED_TOKENS)
        self._output = self._counter(of.OUTPUT_TOKENS)
        self._unpriced = self._counter(of.UNPRICED)
        self._unbilled = self._counter(of.UNBILLED)
        # what has not happened yet is 0, so that the first time shows as an increase
        for model in catalog.groups:
            self._created.labels(model)
        for deployment_id, deployment in catalog.deployments.items():
            self._resting.labels(deployment_id).set(0)
            if deployment.is_live:
                self._in_flight.labels(deployment_id).set(0)
                self._ranges.labels(deployment_id).set(0)
        for kind in ("job", "copy"):
            self._lost.labels(kind)

    def _counter(self, each: Definition) -> Counter:
        return Counter(each.name, each.help, each.labels, registry=self._registry)

    def _gauge(self, each: Definition, of_all: Literal["livemax", "livesum"] = "livemax") -> Gauge:
        # of workers: the highest of those that live, or all of these together
        return Gauge(each.name, each.help, each.labels, registry=self._registry, multiprocess_mode=of_all)

    def _histogram(self, each: Definition) -> Histogram:
        return Histogram(each.name, each.help, each.labels, registry=self._registry, buckets=each.buckets)

    async def run(self) -> None:
        """See `Metrics.run`."""
        if self._figures is not None:
            await self._figures.keep_fresh()

    def around(self, adapter: ProviderAdapter, deployment_id: str) -> ProviderAdapter:
        """See `Metrics.around`."""
        return MeasuredAdapter(adapter, partial(self._called, deployment_id))

    def _called(self, deployment_id: str, call: str, outcome: str, seconds: float) -> None:
        self._calls.labels(deployment_id, call, outcome).observe(seconds)

    def request_answered(self, route: str | None, method: str, status: int) -> None:
        """See `Metrics.request_answered`."""
        what = (OTHER if route is None else route, method if method in _METHODS else OTHER, status)
        counter = self._answered.get(what)
        if counter is None:
            counter = self._answered[what] = self._requests.labels(*what)
        counter.inc()

    def file_uploaded(self, purpose: str, size: int, seconds: float) -> None:
        """See `Metrics.file_uploaded`."""
        self._files.labels(purpose).inc()
        self._bytes.labels(purpose).observe(size)
        self._uploads.labels(purpose).observe(seconds)

    def file_deleted(self) -> None:
        """See `Metrics.file_deleted`."""
        self._deleted.inc()

    def batch_created(self, model: str) -> None:
        """See `Metrics.batch_created`."""
        self._created.labels(self._model(model)).inc()

    def batch_ended(self, model: str, status: BatchStatus, seconds: float) -> None:
        """See `Metrics.batch_ended`."""
        self._ended.labels(self._model(model), status.value).observe(seconds)

    def settled(self, seconds: float) -> None:
        """See `Metrics.settled`."""
        self._settling.observe(seconds)

    def charged(self, model: str, deployment_id: str, usage: ChargedUsage, cost: Decimal | None) -> None:
        """See `Metrics.charged`."""
        labels = (self._model(model), deployment_id)
        self._spend.labels(*labels).inc(float(cost or 0))
        self._input.labels(*labels).inc(usage.input_tokens)
        self._cached.labels(*labels).inc(usage.cached_tokens)
        self._output.labels(*labels).inc(usage.output_tokens)
        self._unpriced.labels(*labels).inc(usage.unpriced_requests)

    def unbilled(self, deployment_id: str, reason: Unbilled, requests: int) -> None:
        """See `Metrics.unbilled`."""
        self._unbilled.labels(deployment_id, reason).inc(requests)

    def cooling_down(self, deployment_id: str, reason: str, seconds: float) -> None:
        """See `Metrics.cooling_down`."""
        self._cooled.labels(deployment_id, reason).inc()
        self._resting.labels(deployment_id).set(time.time() + seconds)

    def cooled_down(self, deployment_id: str) -> None:
        """See `Metrics.cooled_down`."""
        self._resting.labels(deployment_id).set(0)

    def lease_lost(self, claim: Claim) -> None:
        """See `Metrics.lease_lost`."""
        self._lost.labels("copy" if isinstance(claim, FileCopy) else "job").inc()

    def live_request_begun(self, deployment_id: str) -> None:
        """See `Metrics.live_request_begun`."""
        self._in_flight.labels(deployment_id).inc()

    def live_request_ended(self, deployment_id: str, outcome: str, seconds: float) -> None:
        """See `Metrics.live_request_ended`."""
        self._in_flight.labels(deployment_id).dec()
        self._live.labels(deployment_id, outcome).observe(seconds)

    def live_ranges_held(self, deployment_id: str, count: int) -> None:
        """See `Metrics.live_ranges_held`."""
        self._ranges.labels(deployment_id).set(count)

    def _model(self, model: str) -> str:
        group = self._catalog.groups.get(model) or self._catalog.resolve(model)
        return OTHER if group is None else group.name
