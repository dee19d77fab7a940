"""A collector of spans, over a real socket, by OTLP as http/protobuf."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from msgspec import Struct
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

PATIENCE_SECONDS = 20.0


class Collected(Struct, frozen=True, kw_only=True):
    """A span as it came."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    kind: int
    links: tuple[tuple[str, str], ...]
    """trace and span"""
    attributes: dict[str, Any]
    events: tuple[str, ...]
    error: bool
    resource: dict[str, Any]

    @property
    def ids(self) -> tuple[str, str]:
        return self.trace_id, self.span_id


class Collector:
    """What has come so far. It answers each request with `status`, once `may_answer` is set."""

    def __init__(self) -> None:
        self.spans: list[Collected] = []
        self.bodies: list[bytes] = []
        self.asked = threading.Event()
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.status = 200
        self.address = ""

    def named(self, name: str) -> list[Collected]:
        return [span for span in self.spans if span.name == name]

    def until(self, holds: Callable[[], bool]) -> None:
        """Wait until it holds."""
        ends = time.monotonic() + PATIENCE_SECONDS
        while not holds():
            assert time.monotonic() < ends, sorted(span.name for span in self.spans)
            time.sleep(0.02)

    def take(self, body: bytes) -> None:
        self.bodies.append(body)
        for of_resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            told = _values(of_resource.resource.attributes)
            for scope in of_resource.scope_spans:
                self.spans += [_collected(span, told) for span in scope.spans]


def _collected(span: Any, resource: dict[str, Any]) -> Collected:
    return Collected(
        name=span.name,
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        kind=span.kind,
        links=tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
        attributes=_values(span.attributes),
        events=tuple(event.name for event in span.events),
        error=span.status.code == 2,
        resource=resource,
    )


def _values(attributes: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}


@contextmanager
def collector() -> Generator[Collector]:
    """One that runs."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            collector.asked.set()
            collector.may_answer.wait()
            if collector.status == 200:
                collector.take(body)
            self.send_response(collector.status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Nothing is logged."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    collector.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        collector.may_answer.set()
        server.shutdown()
        thread.join()
        server.server_close()
