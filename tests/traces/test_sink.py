"""`sinks: [otel]`: what a collector is given of a batch that has ended."""

from __future__ import annotations

import threading
from collections.abc import Generator
from datetime import UTC, datetime

import anyio
import anyio.to_thread
import pytest
from msgspec.structs import replace

from litebatch_asgi import Deployment, Event
from litebatch_asgi.catalog import Catalog
from litebatch_asgi.sinks import load_sinks
from litebatch_asgi.sinks.otel import CollectorFailed
from tests.traces.collecting import Collector, collector

CATALOG = Catalog([Deployment(model_name="m", model="azure/m-eu", id="eu")])
ENDED = Event(
    id="evt_1",
    subject="batch_1",
    seq=7,
    type="batch.failed",
    batch_id="batch_1",
    owner="team:search",
    payload={
        "status": "failed",
        "model": "m",
        "deployment": "eu",
        "endpoint": "/v1/embeddings",
        "metadata": {"note": "hidden-note"},
        "errors": [{"code": "token_limit_exceeded", "message": "hidden-message"}],
        "created_at": "2026-01-02T00:00:00+00:00",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    },
    created_at=datetime(2026, 1, 2, 3, tzinfo=UTC),
)


@pytest.fixture
def collected(monkeypatch: pytest.MonkeyPatch) -> Generator[Collector]:
    with collector() as running:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", running.address)
        yield running


async def test_a_repetition_is_the_same_span(collected: Collector) -> None:
    for again in (ENDED, ENDED, replace(ENDED, id="evt_2")):
        [sink] = load_sinks(["otel"], catalog=CATALOG)  # another process
        await sink.deliver(again)
    first, *others = collected.spans
    assert len(others) == 2
    assert all(other == first for other in others)
    [sink] = load_sinks(["otel"], catalog=CATALOG)
    await sink.deliver(replace(ENDED, subject="batch_2"))
    assert collected.spans[-1].trace_id != first.trace_id
    assert collected.spans[-1].span_id != first.span_id


async def test_what_is_told_of_a_batch_that_failed(collected: Collector) -> None:
    [sink] = load_sinks(["otel"], catalog=CATALOG)
    for other in ("batch.created", "job.placed", "batch_success", "file.copied"):
        await sink.deliver(replace(ENDED, type=other))
    await sink.deliver(ENDED)
    [span] = collected.spans
    assert span.name == "batch m"
    assert span.error
    assert span.links == (("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"),)
    assert span.attributes == {
        "gen_ai.provider.name": "azure.ai.openai",
        "gen_ai.request.model": "m-eu",
        "gen_ai.operation.name": "embeddings",
        "error.type": "token_limit_exceeded",
        "user.id": "team:search",
        "litebatch.owner": "team:search",
        "litebatch.batch.id": "batch_1",
        "litebatch.batch.status": "failed",
        "litebatch.deployment.id": "eu",
        "litebatch.endpoint": "/v1/embeddings",
        "litebatch.model": "m",
    }
    assert b"hidden" not in b"".join(collected.bodies)


async def test_what_the_collector_refuses_is_delivered_again_later(collected: Collector) -> None:
    collected.status = 400
    [sink] = load_sinks(["otel"], catalog=CATALOG)
    with pytest.raises(CollectorFailed):
        await sink.deliver(ENDED)


async def test_a_delivery_that_is_given_up_leaves_nothing_behind(collected: Collector) -> None:
    collected.may_answer.clear()
    [sink] = load_sinks(["otel"], catalog=CATALOG)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(sink.deliver, ENDED)
        await anyio.to_thread.run_sync(collected.asked.wait)
        tasks.cancel_scope.cancel()
    [thread] = [each for each in threading.enumerate() if each.name == "litebatch-daemon"]
    collected.may_answer.set()
    await anyio.to_thread.run_sync(thread.join)  # an error in it would be told
    assert len(collected.spans) == 1
