"""Whatever goes wrong, every place is free again, and every line has one result."""

from __future__ import annotations

import random
from pathlib import Path

import anyio
import pytest
from msgspec.structs import replace
from openai.types import Batch as OpenAIBatch

from litebatch_asgi import failpoints
from litebatch_asgi.live import LiveRunner, runner
from litebatch_asgi.simulator import Downtime, Fault, Latency
from tests.database import Database
from tests.harness import InProcess
from tests.live.stage import SERVER, SETTINGS, asking, each_once, live_gateway, mute, nothing_is_left, sent

pytestmark = [
    pytest.mark.filterwarnings(
        f"ignore:Exception ignored in. <{what}:pytest.PytestUnraisableExceptionWarning"
    )
    for what in ("socket", "function _SelectorTransport")
]
"""a server that goes down while it accepts a connection leaves that to the garbage collector"""
POINTS = ("live.opening", "live.sending", "live.answered", "live.writing", "live.written")
FAULTS = (
    Fault(call="run_request", status=429),
    Fault(call="run_request", status=500, when="after"),
    Fault(call="run_request", status=503),
    Fault(call="run_request", drop=True),
    Fault(call="run_request", drop=True, when="after"),
    Fault(call="run_request", cut_after=20),
    Fault(call="run_request", stall=True),
    Fault(call="run_request", down=Downtime(seconds=0.1, how="cut_at_request")),
    Fault(call="run_request", down=Downtime(seconds=0.1)),
)
TROUBLES = 14


async def trouble(gateway: InProcess, chance: random.Random) -> None:
    """Let things go wrong, one after the other."""
    for number in range(TROUBLES):
        if number % 7 == 5:
            async with mute(gateway.database):
                await anyio.sleep(0.2)
        elif number % 2:
            failpoints.arm(f"{chance.choice(POINTS)}={chance.randint(1, 3)}*raise")
        else:
            fault = chance.choice(FAULTS)
            gateway.simulator.add_fault(replace(fault, account="live", skip=chance.randint(0, 5)))
        await anyio.sleep(chance.uniform(0.0, 0.1))


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(2, 12))])
async def test_no_place_is_lost(
    tmp_path: Path, database: Database, runners: list[LiveRunner], seed: int
) -> None:
    chance = random.Random(seed)
    settings = replace(SETTINGS, live_timeout_seconds=1, live_attempts=20)
    server = replace(SERVER, latency=Latency(distribution="uniform", seconds=0.01, most=0.1))
    count = 80
    content = b"".join(map(asking, range(count)))
    async with live_gateway(tmp_path, database, settings=settings, server=server) as gateway:
        batches: dict[str, OpenAIBatch] = {}
        for owner in ("alice", "bob", "carol"):
            file = await gateway.upload(content, key=owner)
            batches[owner] = await gateway.create(file.id, key=owner)
        with failpoints.armed(""):
            await trouble(gateway, chance)
            await gateway.client("carol").batches.cancel(batches["carol"].id)
        ended = {owner: await gateway.ended(batch.id, key=owner) for owner, batch in batches.items()}
        assert [batch.status for batch in ended.values()] == ["completed", "completed", "cancelled"]
        for owner in ("alice", "bob"):
            counts = ended[owner].request_counts
            assert counts is not None
            assert (counts.total, counts.completed, counts.failed) == (count, count, 0)
        await nothing_is_left(gateway, runners)


async def test_a_lost_range_takes_no_places(
    tmp_path: Path, database: Database, runners: list[LiveRunner]
) -> None:
    """Neither for what is under way, nor for results that nobody is to commit any more."""
    async with live_gateway(tmp_path, database) as gateway:
        await gateway.create((await gateway.upload(b"".join(map(asking, range(900))))).id)
        await gateway.simulator.until(lambda: len(gateway.simulator.requests) > 20)
        async with mute(database):
            station = runners[0].stations["live"]

            async def all_are_answered() -> bool:
                return station.places.taken > 0 and not station.load.in_flight

            await gateway.eventually(all_are_answered)
            assert station.places.taken >= station.load.limit > 4
            for held in station.held:
                station.drop(held)
            await nothing_is_left(gateway, runners)


async def test_a_range_that_cannot_be_read_is_given_back(
    tmp_path: Path, database: Database, runners: list[LiveRunner], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "UNREADABLE_SECONDS", 0.1)
    async with live_gateway(tmp_path, database) as gateway:
        with failpoints.armed("live.opening=raise"):
            batch = await gateway.create((await gateway.upload(b"".join(map(asking, range(30))))).id)
            ended = await gateway.ended(batch.id)
        assert await each_once(gateway, ended, 30) == {}
        assert sent(gateway) == {1: 30}
        await nothing_is_left(gateway, runners)
