"""What happens to an endpoint between the claim on it and what would be sent there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path

import anyio
import pytest
from msgspec.structs import replace

from litebatch_asgi.delivering.owners import Standing, standing_of
from litebatch_asgi.delivering.webhooks import WebhookWorker
from litebatch_asgi.models import WebhookEndpoint
from litebatch_asgi.webhooks.queue import ClaimedWebhook
from tests.database import Database
from tests.delivering.test_webhooks import HOOKS, hooked, receiver, until_sent
from tests.harness import InProcess
from tests.webhooks.taking import Taker, completed, endpoint

__all__ = ["receiver"]


async def test_whoever_was_held_up_sends_nothing(
    tmp_path: Path, database: Database, receiver: Taker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The claim might not outlast what it would send: the next one sends it."""
    sent_before: list[int] = []

    async def slow_at_first(storage: object, held: WebhookEndpoint, now: datetime) -> Standing:
        sent_before.append(len(receiver.taken))
        await anyio.sleep(0.6 if len(sent_before) == 1 else 0)
        return await standing_of(storage, held, now)

    monkeypatch.setattr("litebatch_asgi.delivering.webhooks.standing_of", slow_at_first)
    async with hooked(tmp_path, database, settings=replace(HOOKS, lease_seconds=2)) as gateway:
        await endpoint(gateway, receiver.url("hook"))
        await completed(gateway)
        await until_sent(gateway)
    assert sent_before[:2] == [0, 0]
    assert len(receiver.taken) == 1


def before_the_first_attempt(
    monkeypatch: pytest.MonkeyPatch, do: Callable[[WebhookEndpoint], Awaitable[object]]
) -> anyio.Event:
    """Have something done between the first claim and its attempt; tells when that is over."""
    attempt, over = WebhookWorker._attempt, anyio.Event()

    async def late(self: WebhookWorker, claimed: ClaimedWebhook, since: float) -> None:
        if not over.is_set():
            await do(claimed.endpoint)
        await attempt(self, claimed, since)
        over.set()

    monkeypatch.setattr(WebhookWorker, "_attempt", late)
    return over


async def delete(gateway: InProcess, claimed: WebhookEndpoint) -> None:
    await gateway.client().webhooks.delete(claimed.id)


async def disable(gateway: InProcess, claimed: WebhookEndpoint) -> None:
    def decide(current: WebhookEndpoint) -> WebhookEndpoint:
        return replace(current, disabled_at=current.created_at, disabled_reason="for a test")

    await gateway.storage.webhook_endpoints.change(claimed.id, decide)


@pytest.mark.parametrize("how", [delete, disable])
async def test_an_endpoint_that_has_just_gone_gets_nothing(
    tmp_path: Path,
    database: Database,
    receiver: Taker,
    monkeypatch: pytest.MonkeyPatch,
    how: Callable[[InProcess, WebhookEndpoint], Awaitable[None]],
) -> None:
    async with hooked(tmp_path, database) as gateway:
        over = before_the_first_attempt(monkeypatch, lambda claimed: how(gateway, claimed))
        await endpoint(gateway, receiver.url("hook"))
        await completed(gateway)
        await over.wait()
        assert receiver.taken == []


async def test_a_secret_that_was_just_rotated_signs(
    tmp_path: Path, database: Database, receiver: Taker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old one does not any more."""
    secrets: list[str] = []

    async with hooked(tmp_path, database) as gateway:

        async def rotate(claimed: WebhookEndpoint) -> None:
            made = await gateway.client().webhooks.rotate_secret(claimed.id)
            secrets.append(made.signing_secret)

        before_the_first_attempt(monkeypatch, rotate)
        old = await endpoint(gateway, receiver.url("hook"))
        await completed(gateway)
        await until_sent(gateway)
    (taken,) = receiver.taken
    assert taken.unwrapped(secrets[0]) is not None
    assert taken.unwrapped(old.signing_secret) is None
