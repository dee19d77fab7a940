"""Traces in a host: at the provider that it has set, and none where it has set none."""

from __future__ import annotations

import subprocess
import sys

import pytest

from litebatch_asgi import tracing
from litebatch_asgi.errors import ConfigError
from litebatch_asgi.server.traces import check_traces
from litebatch_asgi.tracing.w3c import parse_traceparent

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://user:hidden@127.0.0.1:9/?token=hidden"}
HOST = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from litebatch_asgi import tracing

with tracing.span("before"):
    assert tracing.traceparent() is None and tracing.outgoing() == {}
kept = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(kept))
trace.set_tracer_provider(provider)
client = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

with trace.get_tracer("host").start_as_current_span("request") as own:
    with tracing.request([(b"traceparent", client)]), tracing.span("inside"):
        pass
with tracing.request([(b"traceparent", client), (b"traceparent", client)]), tracing.span("ambiguous"):
    pass
with tracing.request([(b"traceparent", b"00-ff")]), tracing.span("malformed", link="nonsense"):
    tracing.leave_request()
    assert tracing.outgoing() == {}
try:
    with tracing.span("failed"):
        raise ValueError("hidden")
except ValueError:
    pass
spans = {span.name: span for span in kept.get_finished_spans()}
assert list(spans) == [
    "litebatch.inside", "request", "litebatch.ambiguous", "litebatch.malformed", "litebatch.failed"
]
assert spans["litebatch.inside"].parent == own.get_span_context()
for name in ("ambiguous", "malformed", "failed"):
    assert spans["litebatch." + name].parent is None, name
kinds = [spans["litebatch." + name].kind.name for name in ("inside", "ambiguous", "failed")]
assert kinds == ["INTERNAL", "SERVER", "INTERNAL"]
failed = spans["litebatch.failed"]
assert failed.attributes["error.type"] == "ValueError"
assert not failed.events and "hidden" not in failed.to_json()
print("ok")
"""


def told(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_spans_are_of_the_hosts_request() -> None:
    assert told(HOST) == "ok\n"


def test_importing_does_not_load_it() -> None:
    program = (
        "import sys, litebatch_asgi.app; print(any(name.startswith('opentelemetry') for name in sys.modules))"
    )
    assert told(program) == "False\n"


def test_without_a_provider_nothing_is_kept() -> None:
    with tracing.request([(b"traceparent", b"00-" + b"1" * 32 + b"-" + b"2" * 16 + b"-01")]):
        assert tracing.span("upload") is tracing.span("create")
        assert tracing.traceparent() is None
        assert tracing.outgoing() == {}


def test_what_is_missing_is_told_by_what_to_install() -> None:
    program = f"""
import sys
sys.modules["opentelemetry"] = None
from litebatch_asgi import Deployment, LiteBatch, Settings
from litebatch_asgi.errors import ConfigError
from litebatch_asgi.server.traces import check_traces
deployments = [Deployment(model_name="m", model="openai/m", api_key="k")]
LiteBatch(deployments=deployments, storage="memory://")
check_traces({{}})
for attempt in (
    lambda: check_traces({ENDPOINT!r}),
    lambda: LiteBatch(deployments=deployments, storage="memory://", settings=Settings(sinks=("otel",))),
):
    try:
        attempt()
    except ConfigError as error:
        print(error)
"""
    line = "traces need OpenTelemetry's SDK and exporter: pip install 'litebatch-asgi[otel]'\n"
    assert told(program) == line + line


@pytest.mark.parametrize("name", ["OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"])
def test_another_protocol_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} is 'grpc': spans are sent by http/protobuf"):
        check_traces({**ENDPOINT, name: "grpc"})


@pytest.mark.parametrize(
    "env",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
        {"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://127.0.0.1:9"},
        {**ENDPOINT, "OTEL_SDK_DISABLED": "true"},
        {**ENDPOINT, "OTEL_TRACES_EXPORTER": "none"},
    ],
)
def test_nothing_is_sent_where_the_environment_does_not_ask_for_it(
    env: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", "litebatch_asgi"):
        check_traces(env)
    assert caplog.records == []


def test_where_they_go_is_told_without_secrets(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "litebatch_asgi"):
        check_traces(ENDPOINT)
    [record] = caplog.records
    assert vars(record)["endpoint"] == "http://127.0.0.1:9/"


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "00-" + "0" * 32 + "-" + "1" * 16 + "-01",
        "00-" + "1" * 32 + "-" + "0" * 16 + "-01",
        "ff-" + "1" * 32 + "-" + "1" * 16 + "-01",
        "00-" + "A" * 32 + "-" + "1" * 16 + "-01",
        "00-" + "1" * 32 + "-" + "1" * 16 + "-01\n",
        "00-" + "1" * 32 + "-" + "1" * 16 + "-01-more",
    ],
)
def test_what_is_no_traceparent(text: str | None) -> None:
    assert parse_traceparent(text) is None


def test_a_traceparent_is_read_as_it_is_written() -> None:
    text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    assert str(parse_traceparent(text)) == text
