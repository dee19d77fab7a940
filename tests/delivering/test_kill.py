"""kill -9 while events are delivered: what was written is delivered, again if nobody knows whether it was."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from openai import APIConnectionError

from tests.database import Database
from tests.delivering import handlers
from tests.survival.server import KEY, deployed

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
