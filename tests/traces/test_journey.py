"""A whole batch through `litebatch serve`, as its collector and its provider see it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.harness import MODEL, UPSTREAM
from tests.host.hosting import provider
from tests.traces.collecting import Collected, Collector, collector
from tests.traces.tracing import HEADERS, LIVE, MASTER, SPAN, TRACE, WEBHOOK_KEY, served, whole_batch

SERVER, CLIENT = 2, 3
pytestmark = pytest.mark.timeout(180)  # processes, on a machine that may be busy


def test_a_whole_batch(tmp_path: Path) -> None:
    with provider() as elsewhere, collector() as collected:
        with served(tmp_path, collected, elsewhere) as gateway:
            batch_id, key = whole_batch(gateway.address)
            assert gateway.stop() == 0
        log = gateway.log.read_text()
        journal = list(elsewhere.simulator.journal)
    assert log.count("traces go to a collector") == 1
    [upload], [check], [create] = (
        collected.named(f"litebatch.{name}") for name in ("upload", "check", "create")
    )
    for request in (upload, create):
        assert (request.trace_id, request.parent_id, request.kind) == (TRACE, SPAN, SERVER)
        assert request.attributes["litebatch.owner"] == "user:nora"
    assert (check.trace_id, check.parent_id) == (TRACE, upload.span_id)
    assert create.attributes["litebatch.batch.id"] == batch_id

    copies, [place] = collected.named("litebatch.copy"), collected.named("litebatch.place")
    assert sorted(copy.attributes["litebatch.deployment.id"] for copy in copies) == ["east", "west"]
    for called, request in ((copies[0], upload), (copies[1], upload), (place, create)):
        assert (called.trace_id, called.parent_id, called.kind) == (TRACE, request.span_id, CLIENT)
        assert called.links == (request.ids,)
        where = called.attributes["litebatch.deployment.id"]
        assert called.attributes["gen_ai.provider.name"] == "openai"
        assert called.attributes["gen_ai.request.model"] == UPSTREAM[where]
        assert called.attributes["gen_ai.operation.name"] == "chat"
    assert_later_work(collected, create, batch_id)
    assert_told_to_provider(journal, copies, place)
    hidden = (MASTER, key, WEBHOOK_KEY, "sk-hidden", "hidden-", "Say 0", "request-0")
    for secret in hidden:
        assert not any(secret.encode() in body for body in collected.bodies), secret


def test_a_live_batch(tmp_path: Path) -> None:
    """Placing and settling are told as those of any other, and no request has a span of its own."""
    with provider() as elsewhere, collector() as collected:
        elsewhere.simulator.account("live").configure(flavour="vllm")
        with served(tmp_path, collected, elsewhere, models=LIVE) as gateway:
            batch_id, _ = whole_batch(gateway.address)
            assert gateway.stop() == 0
    [create] = collected.named("litebatch.create")
    for name in ("litebatch.place", "litebatch.settle"):
        [span] = collected.named(name)
        assert span.links == (create.ids,)
        assert span.attributes["litebatch.batch.id"] == batch_id
        assert span.attributes["litebatch.deployment.id"] == "live"
        assert span.attributes["gen_ai.provider.name"] == "hosted_vllm"
    assert len(collected.spans) < 30


def assert_later_work(collected: Collector, create: Collected, batch_id: str) -> None:
    """Each a trace of its own, linked to the request that made the batch."""
    for name in ("litebatch.poll", "litebatch.settle", "litebatch.deliver", f"batch {MODEL}"):
        spans = [
            span for span in collected.named(name) if span.attributes.get("litebatch.batch.id") == batch_id
        ]
        assert spans, name
        for span in spans:
            assert (span.parent_id, span.links) == ("", (create.ids,)), name
            assert span.trace_id != TRACE
    [batch] = {span.ids: span for span in collected.named(f"batch {MODEL}")}.values()
    assert batch.events == ("batch.in_progress", "batch.finalizing")
    assert not batch.error
    assert batch.attributes["gen_ai.usage.input_tokens"] > 0
    assert batch.attributes["gen_ai.usage.output_tokens"] > 0
    assert batch.attributes["gen_ai.usage.cost"] > 0
    assert batch.attributes["gen_ai.provider.name"] == "openai"
    assert batch.attributes["user.id"] == "user:nora"
    assert batch.resource["service.name"] == "litebatch"


def assert_told_to_provider(journal: list[Any], copies: list[Collected], place: Collected) -> None:
    """The provider learns of the span that calls it, and of nothing else that the client sent."""
    told = [entry.headers.get("traceparent") for entry in journal if entry.call == "upload_file"]
    assert sorted(told) == sorted(f"00-{TRACE}-{copy.span_id}-01" for copy in copies)
    [made] = [entry for entry in journal if entry.call == "create_batch"]
    assert made.headers["traceparent"] == f"00-{TRACE}-{place.span_id}-01"
    assert made.headers["tracestate"] == HEADERS["tracestate"]
    assert not any("baggage" in entry.headers for entry in journal)


def test_a_collector_that_hangs_delays_nobody(tmp_path: Path) -> None:
    """Neither requests nor batches nor the end: less than what one call of the exporter would take."""
    with provider() as elsewhere, collector() as collected:
        collected.may_answer.clear()
        with served(tmp_path, collected, elsewhere, OTEL_EXPORTER_OTLP_TIMEOUT="120") as gateway:
            whole_batch(gateway.address)
            assert collected.asked.wait(20)
            assert gateway.stop() == 0
        assert collected.spans == []
    assert "did not take the last spans" in gateway.log.read_text()
