"""What stories of the live lane share: a gateway before an inference server, and what must hold."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import anyio.to_thread
import asyncpg
from msgspec.structs import asdict, replace
from openai.types import Batch as OpenAIBatch

from litebatch_asgi.live import LiveRunner
from litebatch_asgi.simulator import Simulator, SimulatorSettings
from tests.database import Database, SQLiteDatabase
from tests.harness import ENDPOINT, MODEL, QUICK, InProcess, rows_of, running_gateway

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


def asking(number: int, *, text: str = "Say", **simulate: Any) -> bytes:
    """The line `request-{number}`; what follows is what it orders of the simulator, see `Directive`."""
    said = [{"role": "user", "content": f"{text} {number}."}]
    body: dict[str, Any] = {"model": MODEL, "messages": said}
    if simulate:
        body["metadata"] = {"simulate": simulate}
    row = {"custom_id": f"request-{number}", "method": "POST", "url": ENDPOINT, "body": body}
    return json.dumps(row).encode() + b"\n"


def lines_with(count: int, numbers: Iterable[int], **fault: Any) -> bytes:
    """So many lines, of which some order a fault for themselves each time that they are sent."""
    ordering: dict[str, Any] = {"fault": {"times": None} | fault}
    chosen = frozenset(numbers)
    return b"".join(asking(each, **(ordering if each in chosen else {})) for each in range(count))


@asynccontextmanager
async def mute(database: Database) -> AsyncGenerator[None]:
    """For the length of a block nothing can be written of requests and their results."""
    if isinstance(database, SQLiteDatabase):
        path = database.url.removeprefix("sqlite:///")
        with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as file:
            await anyio.to_thread.run_sync(file.execute, "BEGIN IMMEDIATE")
            yield
    else:
        connection = await asyncpg.connect(database.url)
        try:
            async with connection.transaction():
                await connection.execute("LOCK TABLE line_ranges IN ACCESS EXCLUSIVE MODE")
                yield
        finally:
            await connection.close()


async def nothing_is_left(gateway: InProcess, runners: Iterable[LiveRunner]) -> None:
    """Check that no place, no request and no range is left over in these runners."""

    def left() -> dict[str, list[int]]:
        return {
            f"{number} {name}": counted
            for number, runner in enumerate(runners)
            for name, station in runner.stations.items()
            if any(
                counted := [
                    station.places.taken,
                    station.load.in_flight,
                    station.expecting,
                    len(station.held),
                    runner.opening,
                ]
            )
        }

    async def is_nothing() -> bool:
        return not left()

    try:
        await gateway.eventually(is_nothing)
    except TimeoutError:
        assert left() == {}


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


def sent_of(gateway: InProcess, number: int) -> int:
    """How often it was sent the line `request-{number}`."""
    found = gateway.simulator.requests.select(account="live", match=f"Say {number}.")
    return len([each for each in found if each.text == f"Say {number}."])
