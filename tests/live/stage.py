"""What stories of the live lane share: a gateway before an inference server, and what must hold."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from msgspec.structs import asdict, replace
from openai.types import Batch as OpenAIBatch

from litebatch_asgi.simulator import Simulator, SimulatorSettings
from tests.database import Database
from tests.harness import QUICK, InProcess, rows_of, running_gateway

SETTINGS = replace(QUICK, live_timeout_seconds=5, lease_seconds=10)
SERVER = SimulatorSettings(flavour="vllm")


@asynccontextmanager
async def live_gateway(
    folder: Path,
    database: Database,
    *,
    server: SimulatorSettings = SERVER,
    simulator: Simulator | None = None,
    **options: Any,
) -> AsyncGenerator[InProcess]:
    """A gateway before the inference server `live`, and before native deployments where `names` says so."""
    simulator = simulator or Simulator()
    simulator.account("live").configure(**asdict(server))
    given: dict[str, Any] = {"settings": SETTINGS, "names": (), "live": ("live",)} | options
    async with running_gateway(folder, database=database, simulator=simulator, **given) as gateway:
        yield gateway


async def each_once(gateway: InProcess, batch: OpenAIBatch, count: int) -> Counter[str]:
    """The error codes of an ended batch, in which each line comes out once."""
    output, error = await gateway.results(batch)
    rows = [*rows_of(output), *rows_of(error)]
    assert sorted(row["custom_id"] for row in rows) == sorted(f"request-{number}" for number in range(count))
    completed = [row for row in rows_of(output) if row["response"]["status_code"] == 200]
    assert len(completed) == len(rows_of(output))
    counts = batch.request_counts
    assert counts is not None
    assert (counts.total, counts.completed, counts.failed) == (count, len(completed), count - len(completed))
    charged = [json.loads(usage) for (usage,) in await gateway.database.rows("SELECT usage FROM charges")]
    assert sum(usage["requests"] for usage in charged) == len(completed)
    return Counter(_code(row) for row in rows_of(error))


def _code(row: dict[str, Any]) -> str:
    if row["error"]:
        return str(row["error"]["code"])
    return str(row["response"]["status_code"])


def sent(gateway: InProcess) -> Counter[int]:
    """How many lines the inference server was sent how often."""
    return Counter(gateway.simulator.requests.totals(account="live").received)
