"""`litebatch outbox`: what is dead is listed, and tried again when somebody wants that."""

from __future__ import annotations

import json
from pathlib import Path
from subprocess import CompletedProcess

import anyio
import pytest
from msgspec.structs import replace

from litebatch_asgi.models import FailedAttempt, RegisteredSink
from litebatch_asgi.testing import an_endpoint, an_event
from litebatch_asgi.testing.conformance.base import stored_batch, writing
from litebatch_asgi.webhooks.queue import WebhookResult
from litebatch_sqlite import SQLiteStorage
from tests.forks import run

SINKS = [RegisteredSink(name=name, is_ordered=False) for name in ("audit", "log")]


@pytest.fixture
def events(tmp_path: Path) -> list[str]:
    """The ids of two events that no sink has taken, in a database."""
    return anyio.run(_fill, tmp_path / "litebatch.db")


async def _fill(path: Path) -> list[str]:
    storage = SQLiteStorage(path)
    await storage.open()
    await storage.outbox.register(SINKS)
    batch = await stored_batch(storage)
    events = (an_event(batch), an_event(batch, type="batch.failed"))
    await storage.change_batch(batch.id, writing(events=events))
    for sink in SINKS:
        items = await storage.outbox.claim("worker", sink, limit=9, lease_seconds=60)
        failed = [FailedAttempt(delivery=item.delivery, error="no", retry_seconds=None) for item in items]
        await storage.outbox.failed(sink, failed)
    await storage.close()
    return sorted(event.id for event in events)


def outbox(folder: Path, *arguments: str) -> CompletedProcess[str]:
    return run("outbox", *arguments, "--database", "sqlite:///litebatch.db", cwd=folder)


def test_dead_deliveries_are_listed(tmp_path: Path, events: list[str]) -> None:
    ended = outbox(tmp_path, "list")
    assert ended.returncode == 0, ended.stderr
    listed = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [(each["event_id"], each["sink"]) for each in listed] == [
        (event, sink.name) for event in events for sink in SINKS
    ]
    assert {each["error"] for each in listed} == {"no"}
    assert "audit: 0 to deliver; 2 dead" in ended.stderr
    ended = outbox(tmp_path, "list", "--sink", "log", "--limit", "1", "--output", "plain")
    [line] = ended.stdout.splitlines()
    assert line.split("\t")[:2] == [events[0], "log"]
    assert "audit" not in ended.stderr


def test_they_are_tried_again(tmp_path: Path, events: list[str]) -> None:
    assert outbox(tmp_path, "replay", events[0], "--sink", "log").stdout == (
        "deliveries that are tried again: 1\n"
    )
    ended = outbox(tmp_path, "list")
    assert len(ended.stdout.splitlines()) == 3
    assert "log: 1 to deliver, the oldest since 20" in ended.stderr
    assert outbox(tmp_path, "replay", "--all").stdout == "deliveries that are tried again: 3\n"
    assert outbox(tmp_path, "list").stdout == ""


def test_nothing_is_tried_again_unasked(tmp_path: Path, events: list[str]) -> None:
    ended = outbox(tmp_path, "replay")
    assert ended.returncode == 2
    assert "--all" in ended.stderr
    assert len(outbox(tmp_path, "list").stdout.splitlines()) == 4


def test_no_database_is_made(tmp_path: Path) -> None:
    ended = outbox(tmp_path, "list")
    assert ended.returncode == 2
    assert not (tmp_path / "litebatch.db").exists()


def test_what_webhooks_have_not_taken_is_among_it(tmp_path: Path) -> None:
    """By the ids of endpoints: where they go to is not told, for URLs may hold secrets."""
    endpoint_id = anyio.run(_fill_webhooks, tmp_path / "litebatch.db")
    ended = outbox(tmp_path, "list", "--sink", endpoint_id)
    [dead] = [json.loads(line) for line in ended.stdout.splitlines()]
    assert (dead["sink"], dead["error"]) == (endpoint_id, "it answered 503")
    assert f"{endpoint_id} of team:search: 1 to deliver, the oldest since 20" in ended.stderr
    assert "; 1 dead" in ended.stderr
    assert "token" not in ended.stdout + ended.stderr
    assert outbox(tmp_path, "replay", "--sink", endpoint_id).stdout == "deliveries that are tried again: 1\n"
    assert "2 to deliver" in outbox(tmp_path, "list").stderr
    anyio.run(_disable, tmp_path / "litebatch.db", endpoint_id)
    held = outbox(tmp_path, "list").stderr
    assert f"{endpoint_id} of team:search (disabled): 2 held back, the oldest since 20" in held


async def _disable(path: Path, endpoint_id: str) -> None:
    storage = SQLiteStorage(path)
    await storage.open()
    await storage.webhook_endpoints.change(
        endpoint_id,
        lambda each: replace(each, disabled_at=each.created_at, disabled_reason="it answered 410"),
    )
    await storage.close()


async def _fill_webhooks(path: Path) -> str:
    storage = SQLiteStorage(path)
    await storage.open()
    endpoint = an_endpoint(url="https://example.com/?token=secret")
    await storage.webhook_endpoints.create(endpoint, most=1)
    batch = await stored_batch(storage)
    events = tuple(an_event(batch, type="batch.completed") for _ in range(2))
    await storage.change_batch(batch.id, writing(events=events))
    claims = await storage.webhook_queue.claim(
        "worker",
        fingerprints=[endpoint.key_fingerprint],
        limit=1,
        per_owner=1,
        busy={},
        lease_seconds=60,
    )
    failed = [WebhookResult(claimed=each, error="it answered 503") for each in claims]
    await storage.webhook_queue.settle(failed)
    await storage.close()
    return endpoint.id
