"""Webhooks of owners that are blocked or deleted: they wait, or are gone."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from litebatch_asgi.delivering import deliveries, webhooks
from litebatch_asgi.models.ids import KEY_PREFIX
from litebatch_asgi.simulator.faults import Fault
from litebatch_asgi.testing import an_endpoint
from litebatch_asgi.webhooks.secrets import WebhookKeys
from tests.access.standalone import MASTER, WEBHOOK_KEY, Standalone, standalone
from tests.database import Database
from tests.harness import QUICK
from tests.webhooks.taking import Taker, completed, endpoint, taker

SETTINGS = replace(QUICK, webhooks_to_private_addresses=True, delivery_retry_seconds=(0.02,))


@pytest.fixture
async def receiver() -> AsyncGenerator[Taker]:
    async with taker() as running:
        yield running


@pytest.fixture
async def gateway(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[Standalone]:
    """A standalone gateway that looks soon at what it has put off."""
    monkeypatch.setattr(deliveries, "TEND_SECONDS", 0.05)
    monkeypatch.setattr(webhooks, "BLOCKED_PAUSE", 0.05)
    async with standalone(tmp_path, database, settings=SETTINGS) as running:
        yield running


async def deliveries_of(gateway: Standalone) -> int:
    """How many there are."""
    [(count,)] = await gateway.database.rows("SELECT count(*) FROM event_deliveries")
    return int(count)


@pytest.mark.parametrize("kind", ["team", "user", "key"])
async def test_with_an_owner_its_webhooks_are_gone(gateway: Standalone, receiver: Taker, kind: str) -> None:
    """What its batches do from then on is told to nobody, and nothing is left of what was to be told."""
    if kind == "team":
        await gateway.manage("/team/new", team_id="search")
    about = {"team": {"team_id": "search"}, "user": {"user_id": "7"}, "key": {}}[kind]
    key = await gateway.new_key(**about)
    receiver.statuses["hook"] = [503] * 1000
    await endpoint(gateway, receiver.url("hook"), key=key)
    await completed(gateway, key=key)
    await receiver.until(lambda: bool(receiver.taken))
    stalled = gateway.simulator.add_fault(Fault(call="run_batch", stall=True))
    file = await gateway.upload(key=key)
    batch = await gateway.create(file.id, key=key)
    deleted: Any = {"team": {"team_ids": ["search"]}, "user": {"user_ids": ["7"]}, "key": {"keys": [key]}}
    await gateway.manage(f"/{kind}/delete", **deleted[kind])
    gateway.simulator.remove_fault(stalled)
    assert (await gateway.ended(batch.id, key=MASTER)).status == "completed"
    assert [each async for each in gateway.client(MASTER).webhooks.list()] == []

    async def nothing_is_left() -> bool:
        return await deliveries_of(gateway) == 0

    await gateway.eventually(nothing_is_left)
    assert len({each.headers["webhook-id"] for each in receiver.taken}) == 1


@pytest.mark.parametrize("kind", ["team", "user", "key"])
async def test_an_owner_that_is_blocked_is_told_afterwards(
    gateway: Standalone, receiver: Taker, kind: str
) -> None:
    if kind == "team":
        await gateway.manage("/team/new", team_id="search")
    about = {"team": {"team_id": "search"}, "user": {"user_id": "7"}, "key": {}}[kind]
    key = await gateway.new_key(**about)
    made = await endpoint(gateway, receiver.url("hook"), key=key)
    stalled = gateway.simulator.add_fault(Fault(call="run_batch", stall=True))
    file = await gateway.upload(key=key)
    batch = await gateway.create(file.id, key=key)
    blocked = {"team": {"team_id": "search"}, "user": {"user_id": "7"}, "key": {"key": key}}[kind]
    update = "/user/update" if kind == "user" else f"/{kind}/update"
    await gateway.manage(update, **blocked, blocked=True)
    gateway.simulator.remove_fault(stalled)
    await gateway.ended(batch.id, key=MASTER)
    await completed(gateway, key=MASTER)  # meanwhile it could have been told
    assert receiver.taken == []
    assert await deliveries_of(gateway) == 1
    await gateway.manage(update, **blocked, blocked=False)
    await receiver.until(lambda: bool(receiver.taken))
    assert receiver.taken[0].unwrapped(made.signing_secret) is not None


async def test_an_endpoint_of_an_owner_that_is_gone_goes_as_well(
    gateway: Standalone, receiver: Taker
) -> None:
    """As one would that is made just when its owner is deleted."""
    await gateway.storage.open()
    [(installation,)] = await gateway.database.rows("SELECT id FROM installation")
    fingerprint = WebhookKeys([WEBHOOK_KEY], installation).newest
    key = await gateway.new_key(user_id="7")
    orphan = an_endpoint(
        owner="user:7", created_by=f"{KEY_PREFIX}1", url=receiver.url("hook"), key_fingerprint=fingerprint
    )
    stalled = gateway.simulator.add_fault(Fault(call="run_batch", stall=True))
    file = await gateway.upload(key=key)
    batch = await gateway.create(file.id, key=key)
    await gateway.manage("/user/delete", user_ids=["7"])
    await gateway.storage.webhook_endpoints.create(orphan, most=1)
    gateway.simulator.remove_fault(stalled)
    await gateway.ended(batch.id, key=MASTER)

    async def is_gone() -> bool:
        return await gateway.storage.webhook_endpoints.get(orphan.id) is None

    await gateway.eventually(is_gone)
    await gateway.storage.close()
    assert receiver.taken == []
