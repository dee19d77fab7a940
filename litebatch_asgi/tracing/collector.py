"""What sends spans to a collector, as OpenTelemetry's own environment variables say.

Source: OpenTelemetry, "OTLP Exporter Configuration" and "Environment Variable Specification".
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from litebatch_asgi.errors import ConfigError

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace.export import SpanExporter

PREFIX = "OTEL_EXPORTER_OTLP_"
SERVICE = "litebatch"
"""the service's name unless OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES give another"""
_OTHERS = (f"{PREFIX}METRICS_", f"{PREFIX}LOGS_")
_PROTOCOL = "http/protobuf"


def span_exporter(env: Mapping[str, str]) -> SpanExporter:
    """What gives spans to the collector, opened at first use.

    Raises `ConfigError` if OpenTelemetry's SDK or exporter is not installed, or for another protocol.
    """
    for name in (f"{PREFIX}TRACES_PROTOCOL", f"{PREFIX}PROTOCOL"):
        if env.get(name, _PROTOCOL) not in ("", _PROTOCOL):
            raise ConfigError(
                f"{name} is {env[name]!r}: spans are sent by {_PROTOCOL}; leave it out, and name the "
                "collector's HTTP port, which is 4318 as a rule"
            )
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError as error:
        if error.name is None or not error.name.startswith("opentelemetry"):
            raise
        raise ConfigError(
            "traces need OpenTelemetry's SDK and exporter: pip install 'litebatch-asgi[otel]'"
        ) from None
    return OTLPSpanExporter()


def resource() -> Resource:
    """Who sends them."""
    from opentelemetry.sdk.resources import PROCESS_PID, SERVICE_NAME, Resource

    found = Resource.create({PROCESS_PID: os.getpid()})
    if str(found.attributes.get(SERVICE_NAME, "")).startswith("unknown_service"):
        found = found.merge(Resource({SERVICE_NAME: SERVICE}))
    return found


def is_wanted(env: Mapping[str, str]) -> bool:
    """Whether the environment says where spans go, and not that there are to be none."""
    if env.get("OTEL_SDK_DISABLED", "").lower() == "true" or env.get("OTEL_TRACES_EXPORTER") == "none":
        return False
    return any(
        value and name.startswith(PREFIX) and not name.startswith(_OTHERS) for name, value in env.items()
    )


def address(env: Mapping[str, str]) -> str:
    """Where they go, without what may be secret of it."""
    base = env.get(f"{PREFIX}ENDPOINT") or "http://localhost:4318"
    url = urlsplit(env.get(f"{PREFIX}TRACES_ENDPOINT") or base.rstrip("/") + "/v1/traces")
    return f"{url.scheme}://{url.netloc.rpartition('@')[2]}{url.path}"
