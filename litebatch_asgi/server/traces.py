"""Traces of the standalone gateway: sent to a collector where OTEL_EXPORTER_OTLP_* names one."""

from __future__ import annotations

import logging
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from litebatch_asgi.tracing import collector

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

FLUSH_SECONDS = 3.0
"""how long the end of a process may wait for the collector to take the last spans"""

logger: logging.Logger = logging.getLogger(__name__)


class SpansSent:
    """Sends this process's spans, in a thread of the SDK's, until it is closed."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider

    def close(self) -> None:
        """Send what is left, within `FLUSH_SECONDS`; a collector that hangs is left alone then."""
        flushing = threading.Thread(target=self._provider.shutdown, name="litebatch-traces", daemon=True)
        flushing.start()
        flushing.join(FLUSH_SECONDS)
        if flushing.is_alive():
            logger.warning("the collector of traces did not take the last spans in %g s", FLUSH_SECONDS)


def check_traces(env: Mapping[str, str]) -> None:
    """Tell where spans will go. Raises `ConfigError` for what keeps them from it."""
    if collector.is_wanted(env):
        collector.span_exporter(env).shutdown()
        logger.info("traces go to a collector", extra={"endpoint": collector.address(env)})


def start_traces(env: Mapping[str, str]) -> SpansSent | None:
    """Send spans from now on if the environment says where, and nobody else does it already.

    `opentelemetry-instrument litebatch serve` is somebody else. Raises `ConfigError`.
    """
    if not collector.is_wanted(env):
        return None
    exporter = collector.span_exporter(env)
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    if not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        exporter.shutdown()
        return None
    provider = TracerProvider(resource=collector.resource(), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return SpansSent(provider)


@contextmanager
def traces_sent(env: Mapping[str, str]) -> Generator[None]:
    """Send spans while the block lasts, as `start_traces` does; it is told where to. Raises `ConfigError`."""
    check_traces(env)
    sent = start_traces(env)
    try:
        yield
    finally:
        if sent is not None:
            sent.close()


class TracesOfWorker:
    """Middleware that sends spans from now on, the last ones before the server learns that the app has ended.

    Raises `ConfigError`.
    """

    def __init__(self, app: ASGIApp, env: Mapping[str, str]) -> None:
        self._app = app
        self._sent = start_traces(env)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on."""
        if scope["type"] == "lifespan" and self._sent is not None:
            await self._app(scope, receive, self._closing(send, self._sent))
        else:
            await self._app(scope, receive, send)

    def _closing(self, send: Send, sent: SpansSent) -> Send:
        async def closing(message: Message) -> None:
            if message["type"].startswith("lifespan.shutdown."):
                sent.close()  # nothing is left that it could keep waiting
            await send(message)

        return closing
