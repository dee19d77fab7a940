"""Spans by OpenTelemetry's API, at the tracer provider that the process has set."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import AbstractContextManager, contextmanager
from importlib.metadata import version

from opentelemetry import context, propagate, trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from litebatch_asgi.tracing.attributes import ERROR_TYPE, attributes_of
from litebatch_asgi.tracing.seam import Span, Subject
from litebatch_asgi.tracing.w3c import TraceParent, parse_traceparent

NAME = "litebatch_asgi"
"""the instrumentation scope"""
PREFIX = "litebatch."
"""what the names of spans begin with"""
_VERSION = version("litebatch-asgi")
_REQUEST = context.create_key("litebatch-request")
_SENT = ("traceparent", "tracestate")
"""headers that a provider gets: of whatever else the propagator knows, such as a client's baggage, none"""


class OpenTelemetry:
    """`Tracing`, while a provider is set: which may be done, once, at any time."""

    def __init__(self) -> None:
        self._provider: trace.TracerProvider | None = None
        self._tracer: trace.Tracer = trace.NoOpTracer()

    def at(self, provider: trace.TracerProvider) -> OpenTelemetry:
        """Itself, with spans at the provider that is set now."""
        if provider is not self._provider:
            self._provider = provider
            self._tracer = provider.get_tracer(NAME, _VERSION)
        return self

    def span(self, name: str, *subjects: Subject, link: str | None = None) -> AbstractContextManager[Span]:
        """See `Tracing.span`. Its kind says whether it is the first of a client's request."""
        parent = trace.get_current_span().get_span_context()
        is_first = parent.is_remote or not parent.is_valid
        is_served = is_first and context.get_value(_REQUEST) is not None
        return self._span(name, SpanKind.SERVER if is_served else SpanKind.INTERNAL, subjects, link)

    def calling(self, name: str, *subjects: Subject, link: str | None = None) -> AbstractContextManager[Span]:
        """See `Tracing.calling`."""
        return self._span(name, SpanKind.CLIENT, subjects, link)

    @contextmanager
    def _span(
        self, name: str, kind: SpanKind, subjects: tuple[Subject, ...], link: str | None
    ) -> Generator[Span]:
        own = self._tracer.start_span(PREFIX + name, kind=kind, links=_links(link))
        told = _OwnSpan(own)
        told.about(*subjects)
        with trace.use_span(own, end_on_exit=True, record_exception=False, set_status_on_exception=False):
            try:
                yield told
            except BaseException as error:
                told.failed(error)
                raise

    @contextmanager
    def request(self, headers: Iterable[tuple[bytes, bytes]]) -> Generator[None]:
        """See `Tracing.request`. Of what the propagator reads the span alone is kept."""
        if trace.get_current_span().get_span_context().is_valid:
            yield
            return
        read = propagate.extract(_carrier(headers), context=Context())
        parent = NonRecordingSpan(trace.get_current_span(read).get_span_context())
        token = context.attach(context.set_value(_REQUEST, True, trace.set_span_in_context(parent)))
        try:
            yield
        finally:
            context.detach(token)

    def traceparent(self) -> str | None:
        """See `Tracing.traceparent`."""
        current = trace.get_current_span().get_span_context()
        if not current.is_valid:
            return None
        return str(TraceParent(current.trace_id, current.span_id, current.trace_flags))

    def outgoing(self) -> dict[str, str]:
        """See `Tracing.outgoing`. The propagator that is configured says whether there are any."""
        carrier: dict[str, str] = {}
        propagate.inject(carrier)
        return {name: carrier[name] for name in _SENT if name in carrier}

    def leave_request(self) -> None:
        """See `Tracing.leave_request`."""
        context.attach(Context())


class _OwnSpan:
    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def about(self, *subjects: Subject) -> None:
        """See `Span.about`."""
        if self._span.is_recording():
            self._span.set_attributes(attributes_of(*subjects))

    def failed(self, error: BaseException) -> None:
        """See `Span.failed`. Of the error its type alone is told: its words may be a client's."""
        kind = type(error).__name__
        self._span.set_attribute(ERROR_TYPE, kind)
        self._span.set_status(Status(StatusCode.ERROR, kind))


def _links(traceparent: str | None) -> list[Link]:
    named = parse_traceparent(traceparent)
    if named is None:
        return []
    return [Link(SpanContext(named.trace_id, named.span_id, True, TraceFlags(named.flags)))]


def _carrier(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, list[str]]:
    carrier: dict[str, list[str]] = {}
    for name, value in headers:
        carrier.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    if len(carrier.get("traceparent", ())) > 1:  # W3C Trace Context: then it counts for nothing
        del carrier["traceparent"]
    return carrier
