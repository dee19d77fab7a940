"""Whatever goes wrong, every place is free again, and every line has one result."""

from __future__ import annotations

import random
from pathlib import Path

import anyio
import pytest
from msgspec.structs import replace

from litebatch_asgi import failpoints
from litebatch_asgi.live import LiveRunner
from litebatch_asgi.simulator import Downtime, Fault, Latency
from tests.database import Database
from tests.harness import InProcess
from tests.live.stage import SERVER, SETTINGS, asking, live_gateway, mute, nothing_is_left

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
        batches = {}
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
