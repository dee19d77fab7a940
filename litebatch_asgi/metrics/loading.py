"""Loading what keeps metrics, where it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from starlette.types import ASGIApp

from litebatch_asgi.catalog import Catalog
from litebatch_asgi.errors import ConfigError
from litebatch_asgi.metrics.seam import Metrics
from litebatch_asgi.storage import Storage

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry


class Kept(NamedTuple):
    """Metrics that are kept."""

    metrics: Metrics
    app: ASGIApp
    """answers with them"""


def load(storage: Storage, catalog: Catalog, registry: CollectorRegistry | None = None) -> Kept:
    """Metrics of a LiteBatch, in the host's registry or in one of their own.

    Raises `ConfigError` if prometheus-client is not installed or has no folder for several processes where it
    is told to use one, or if the registry has such metrics already.
    """
    try:
        from prometheus_client import CollectorRegistry as Registry

        from litebatch_asgi.metrics.exposition import FiguresCollector, MetricsApp, folder_of_workers
        from litebatch_asgi.metrics.gauges import FigureReader
        from litebatch_asgi.metrics.prometheus import PrometheusMetrics
    except ImportError as error:
        if error.name != "prometheus_client":
            raise
        raise ConfigError("metrics need prometheus-client: pip install 'litebatch-asgi[metrics]'") from None
    folder = folder_of_workers()
    figures = FigureReader(storage)
    own = Registry() if registry is None else registry
    try:
        # a host collects without asking us before
        metrics = PrometheusMetrics(own, catalog, None if registry is None else figures)
        own.register(FiguresCollector(figures))
    except ValueError as error:
        raise ConfigError(
            f"metrics_registry: {error}; give each LiteBatch a registry of its own, or none"
        ) from None
    return Kept(metrics, MetricsApp(own, figures, folder))
