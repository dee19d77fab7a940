"""Metrics: what is counted and timed, whether or not anybody keeps it.

Whoever works holds a `Metrics` and tells it what has happened. What keeps that for Prometheus is loaded only
where it is asked for (`load`), and needs prometheus-client: the extra `metrics`.
"""

from litebatch_asgi.metrics.loading import Kept as Kept
from litebatch_asgi.metrics.loading import load as load
from litebatch_asgi.metrics.seam import NO_METRICS as NO_METRICS
from litebatch_asgi.metrics.seam import Metrics as Metrics
from litebatch_asgi.metrics.seam import NoMetrics as NoMetrics
