"""What happens to an endpoint between the claim on it and what would be sent there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import pytest
from msgspec.structs import replace

from litebatch_asgi.failpoints import calling
from litebatch_asgi.models import WebhookEndpoint
from tests.database import Database
from tests.delivering.test_webhooks import HOOKS, hooked, receiver, until_sent
from tests.harness import InProcess
from tests.webhooks.taking import Taker, completed, endpoint, taker

__all__ = ["receiver"]

CLAIMED = "deliver.webhook_claimed"
LEASE_SECONDS = 1.0


async def test_whoever_was_held_up_sends_nothing(tmp_path: Path, database: Database, receiver: Taker) -> None:
    """The claim might not outlast what it would send: the next one sends it."""
    sent_before: list[int] = []

    async def be_held_up() -> None:
        sent_before.append(len(receiver.taken))
        if len(sent_before) == 1:
            await anyio.sleep(0.3 * LEASE_SECONDS)

    settings = replace(HOOKS, lease_seconds=LEASE_SECONDS)
    with calling(CLAIMED, be_held_up, each_time=True):
        async with hooked(tmp_path, database, settings=settings) as gateway:
            await endpoint(gateway, receiver.url("hook"))
            await completed(gateway)
            await until_sent(gateway)
    assert sent_before[:2] == [0, 0]
    assert len(receiver.taken) == 1


async def delete(gateway: InProcess, endpoint_id: str) -> None:
    await gateway.client().webhooks.delete(endpoint_id)


async def disable(gateway: InProcess, endpoint_id: str) -> None:
    def decide(current: WebhookEndpoint) -> WebhookEndpoint:
        return replace(current, disabled_at=current.created_at, disabled_reason="for a test")

    await gateway.storage.webhook_endpoints.change(endpoint_id, decide)


async def gone_meanwhile(
    folder: Path,
    database: Database | None = None,
    how: Callable[[InProcess, str], Awaitable[None]] = delete,
) -> list[str]:
    """An endpoint goes when something was claimed for it; what came there all the same."""
    await anyio.Path(folder).mkdir(exist_ok=True)
    async with taker() as receiver, hooked(folder, database) as gateway:
        hook, has_gone = await endpoint(gateway, receiver.url("hook")), anyio.Event()

        async def go() -> None:
            await how(gateway, hook.id)
            has_gone.set()

        with calling(CLAIMED, go):
            await completed(gateway)
            await has_gone.wait()
        await endpoint(gateway, receiver.url("other"))
        await completed(gateway)
        await receiver.until(lambda: bool(receiver.of("other")))
        return [f"{len(came)} came to an endpoint that is gone"] if (came := receiver.of("hook")) else []


@pytest.mark.parametrize("how", [delete, disable])
async def test_an_endpoint_that_has_just_gone_gets_nothing(
    tmp_path: Path, database: Database, how: Callable[[InProcess, str], Awaitable[None]]
) -> None:
    assert await gone_meanwhile(tmp_path, database, how) == []


async def test_a_secret_that_was_just_rotated_signs(
    tmp_path: Path, database: Database, receiver: Taker
) -> None:
    """The old one does not any more."""
    secrets: list[str] = []
    async with hooked(tmp_path, database) as gateway:
        old = await endpoint(gateway, receiver.url("hook"))

        async def rotate() -> None:
            made = await gateway.client().webhooks.rotate_secret(old.id)
            secrets.append(made.signing_secret)

        with calling(CLAIMED, rotate):
            await completed(gateway)
            await until_sent(gateway)
    (taken,) = receiver.taken
    assert taken.unwrapped(secrets[0]) is not None
    assert taken.unwrapped(old.signing_secret) is None
