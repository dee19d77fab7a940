"""Ranges of a single request each: an owner who has many of them leaves room for others."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from litebatch_asgi.jsonl.ranges import MOST_BYTES
from litebatch_asgi.live import runner
from litebatch_asgi.simulator import Fault, Latency
from tests.database import Database
from tests.live.stage import SERVER, SETTINGS, asking, live_gateway

LONG = " and" * (MOST_BYTES // 7)
"""a text of which no range has two"""


def long_requests(name: str, count: int) -> bytes:
    """So many requests, each of which is a range of its own."""
    return b"".join(asking(number, text=f"{name}{LONG}") for number in range(count))


async def test_an_owner_goes_on_while_anothers_ranges_hang(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are all that a station holds, and leave one of the first four places free."""
    held = 3
    monkeypatch.setattr(runner, "MOST_RANGES", held)
    settings = replace(SETTINGS, live_timeout_seconds=90)
    async with live_gateway(tmp_path, database, settings=settings) as gateway:
        gateway.simulator.add_fault(Fault(account="live", match="never", stall=True, times=None))
        await gateway.create((await gateway.upload(long_requests("never", 2 * held))).id)
        await gateway.simulator.until(lambda: len(gateway.simulator.requests) >= held)
        file = await gateway.upload(b"".join(map(asking, range(20))), key="bob")
        ended = await gateway.ended((await gateway.create(file.id, key="bob")).id, key="bob")
        assert (ended.status, ended.request_counts and ended.request_counts.completed) == ("completed", 20)


async def test_owners_of_many_ranges_share_what_is_held(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have more than a station holds, and the batch of the first one expires first."""
    held = 4
    monkeypatch.setattr(runner, "MOST_RANGES", held)
    monkeypatch.setattr(runner, "RANGES_AT_ONCE", 1)
    slow = replace(SERVER, latency=Latency(seconds=0.2))
    async with live_gateway(tmp_path, database, server=slow) as gateway:
        requests = gateway.simulator.requests
        counts = {"alice": 36, "bob": 12}
        files = {
            name: await gateway.upload(long_requests(name, count), key=name) for name, count in counts.items()
        }
        batches = {"alice": await gateway.create(files["alice"].id, key="alice")}
        await gateway.simulator.until(lambda: len(requests) >= 2 * held)
        batches["bob"] = await gateway.create(files["bob"].id, key="bob")
        for name, batch in batches.items():
            assert (await gateway.ended(batch.id, key=name)).status == "completed"
        order = [each.text.split()[0] for each in requests.select(account="live")]
        last = max(place for place, name in enumerate(order) if name == "bob")
        assert order[last:].count("alice") >= held
