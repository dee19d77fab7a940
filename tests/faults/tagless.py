"""A create whose answer is lost, where the provider tells no tags and its list lags."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from litebatch_asgi.simulator import Fault
from tests.database import SQLiteDatabase
from tests.harness import HASTY, ids_of
from tests.translated.deployed import ANTHROPIC
from tests.translated.stage import file_of, staged

LAG_CALLS = 2
"""lists that do not show a new batch yet"""


async def create_lost_while_the_list_lags(folder: Path) -> list[str]:
    """What has come out wrong: another batch beside the one, or results that are not its own."""
    folder.mkdir(parents=True)  # noqa: ASYNC240 nothing else runs yet
    settings = replace(HASTY, adopt_grace_seconds=2.0)
    async with staged(folder, SQLiteDatabase.migrated(folder)) as stage:
        lag = Fault(call="list_batches", account=ANTHROPIC, list_lag_calls=LAG_CALLS, times=2 * LAG_CALLS)
        stage.simulator.add_fault(lag)
        stage.simulator.add_fault(Fault(call="create_batch", account=ANTHROPIC, when="after", drop=True))
        async with stage.gateway(ANTHROPIC, settings=settings, exclusive=True) as gateway:
            file = await gateway.upload(file_of(['"a"', '"b"']))
            batch = await gateway.ended((await gateway.create(file.id)).id)
            output, _ = await gateway.results(batch)
        wrong = [] if ids_of(output) == ["a", "b"] else [f"{batch.status} with {ids_of(output)}"]
        made = len(stage.jobs(ANTHROPIC))
        return wrong if made == 1 else [*wrong, f"{made} batches were made"]
