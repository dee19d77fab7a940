"""kill -9 while events are delivered: what was written is delivered, again if nobody knows whether it was."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from openai import APIConnectionError

from tests.database import Database
from tests.delivering import handlers
from tests.survival.server import KEY, deployed
from tests.webhooks.taking import TYPES, taker

HANDLER = "tests.delivering.handlers:append"


@pytest.mark.parametrize("place", ["deliver.taken", "deliver.before_mark"])
async def test_what_was_not_marked_is_delivered_again(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    told = tmp_path / "events.jsonl"
    monkeypatch.setenv(handlers.FILE, str(told))
    async with deployed(tmp_path, database=database, sinks=[HANDLER]) as gateway:

        async def all_are_delivered() -> bool:
            [(left,)] = await gateway.database.rows("SELECT count(*) FROM event_deliveries")
            return not left

        await gateway.restart()
        file = await gateway.upload(key=KEY)
        await gateway.eventually(all_are_delivered)
        await gateway.restart(f"{place}=2*kill")
        with suppress(APIConnectionError):
            await gateway.create(file.id, key=KEY)
        await gateway.server.died()
        await gateway.restart()
        [(batch_id,)] = await gateway.database.rows("SELECT id FROM batches")
        assert (await gateway.ended(batch_id, key=KEY)).status == "completed"
        await gateway.eventually(all_are_delivered)
        rows = await gateway.database.rows("SELECT subject, seq FROM events ORDER BY subject, seq")
        got = handlers.appended(told)
        for subject in (file.id, batch_id):
            numbers = [event.seq for event in got if event.subject == subject]
            assert list(dict.fromkeys(numbers)) == [seq for of, seq in rows if of == subject]
        assert len(got) > len({event.id for event in got})


@pytest.mark.parametrize(
    "place", ["deliver.webhook_claimed", "deliver.webhook_taken", "deliver.before_webhook_mark"]
)
async def test_a_webhook_that_was_not_marked_is_sent_again(
    tmp_path: Path, database: Database, place: str
) -> None:
    settings: dict[str, Any] = {
        "webhook_keys": ["webhook-key-of-the-tests-01234567"],
        "webhooks_to_private_addresses": True,
        "delivery_retry_seconds": [0.05],
        "lease_seconds": 5,
    }
    async with taker() as receiver, deployed(tmp_path, database=database, **settings) as gateway:
        await gateway.restart(f"{place}=kill")
        hook: Any = {"name": "x", "url": receiver.url("hook"), "event_types": TYPES}
        made = await gateway.client(KEY).webhooks.create(**hook)
        file = await gateway.upload(key=KEY)
        with suppress(APIConnectionError):
            await gateway.create(file.id, key=KEY)
        await gateway.server.died()
        before = len(receiver.taken)
        assert before == (place != "deliver.webhook_claimed")
        await gateway.restart()
        await receiver.until(lambda: len(receiver.taken) > before)
        assert len({each.headers["webhook-id"] for each in receiver.taken}) == 1
        assert receiver.taken[-1].unwrapped(made.signing_secret) is not None

        async def all_are_delivered() -> bool:
            return await gateway.database.rows("SELECT count(*) FROM event_deliveries") == [(0,)]

        await gateway.eventually(all_are_delivered)
