"""A replica that is told to stop in the middle of things: another one goes on at once, not after a lease."""

from __future__ import annotations

from collections.abc import Awaitable
from contextlib import suppress

import anyio
import openai
import pytest

from tests.database import BACKENDS, Database
from tests.harness import lines
from tests.replicas.running import LONG_LEASE, SERVE, Replica, Site, stalled


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def unanswered(call: Awaitable[object]) -> None:
    """Make a call that the end of its server may cut off."""
    with suppress(openai.APIError):
        await call


async def batches_of(replica: Replica) -> list[str]:
    return [batch.id async for batch in replica.client().batches.list()]


async def test_another_one_goes_on_at_once(here: Site, database: Database) -> None:
    """An upload, a placement and a settling are under way, and their provider does not answer."""
    first = await here.replica(*SERVE, "--drain", "1", provider_timeout_seconds=25)
    file = await first.upload(lines(20))
    results = here.simulator.add_fault(stalled("stream_file"))
    await first.create(file.id)
    await here.simulator.until(lambda: results.struck > 0)
    creates = here.simulator.add_fault(stalled("create_batch"))
    uploads = here.simulator.add_fault(stalled("upload_file"))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(unanswered, first.create(file.id))
        await here.simulator.until(lambda: creates.struck > 0)
        tasks.start_soon(unanswered, first.upload(lines(7)))
        await here.simulator.until(lambda: uploads.struck == 2)
        assert await first.stop() == 0
    second = await here.replica()
    for fault in (results, creates, uploads):
        here.simulator.remove_fault(fault)
    with anyio.fail_after(LONG_LEASE / 3):
        batches = [await second.ended(batch_id) for batch_id in await batches_of(second)]
    assert [batch.status for batch in batches] == ["completed", "completed"]
    running = [job for job in second.provider_jobs() if job.status == "completed"]
    assert len(running) == 2
    assert [each.id async for each in second.client().files.list(purpose="batch")] == [file.id]

    async def only_the_first_is_left() -> bool:
        return {len(second.provider_files(name)) for name in ("east", "west")} == {1}

    await second.eventually(only_the_first_is_left)
