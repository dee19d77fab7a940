"""A loop in the background that fails: the rest goes on, and so does that loop."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import anyio
import pytest
from msgspec.structs import replace

from litebatch_asgi.failpoints import InjectedFault, calling
from litebatch_asgi.loops import restarted
from tests.database import Database
from tests.delivering.recording import Recorder
from tests.harness import QUICK, running_gateway


class Failing:
    """What fails the first time that it is called."""

    def __init__(self) -> None:
        self.has_failed = anyio.Event()

    def __call__(self) -> None:
        self.has_failed.set()
        raise InjectedFault("loop")


async def test_a_loop_that_fails_takes_nothing_with_it(
    tmp_path: Path, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    recorder, settings = Recorder(), replace(QUICK, gone_grace_seconds=0.6)
    failing = {name: Failing() for name in ("presence.beaten", "deliveries.begin")}
    with ExitStack() as stack:
        for name, each in failing.items():
            stack.enter_context(calling(name, each))
        async with running_gateway(
            tmp_path, database=database, settings=settings, sinks=[recorder]
        ) as gateway:
            for each in failing.values():
                await each.has_failed.wait()
            batch = await gateway.create((await gateway.upload()).id)
            assert (await gateway.ended(batch.id)).status == "completed"
            await recorder.until(lambda: any(event.type == "batch.completed" for event in recorder.events))
            assert await gateway.litebatch.ready()
    told = [record.getMessage() for record in caplog.records if record.exc_info]
    assert sorted(told) == ["no heartbeat", "what runs in the background failed and begins anew"]


async def test_what_has_ended_is_not_begun_anew() -> None:
    calls = 0

    async def run() -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise InjectedFault("once")

    with anyio.fail_after(10):
        await restarted(run)
    assert calls == 2
