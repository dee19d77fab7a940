"""Where a model has both lanes: native first, live by overflow, for short windows, and as a rescuer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import openai
import pytest
from msgspec.structs import replace

from litebatch_asgi.simulator import Fault, Simulator
from tests.database import Database
from tests.harness import SWIFT, lines
from tests.live.stage import SETTINGS, each_once, live_gateway, sent

BOTH: dict[str, Any] = {"names": ("east",)}


async def test_native_goes_first(tmp_path: Path, database: Database) -> None:
    async with live_gateway(tmp_path, database, simulator=Simulator(settings=SWIFT), **BOTH) as gateway:
        batch = await gateway.create((await gateway.upload(lines(20))).id)
        ended = await gateway.ended(batch.id)
        assert await each_once(gateway, ended, 20) == {}
        assert not sent(gateway)
        assert len(gateway.provider_jobs()) == 1


async def test_a_short_window_is_kept_live(tmp_path: Path, database: Database) -> None:
    settings = replace(SETTINGS, completion_windows=("24h", "1h"))
    async with live_gateway(tmp_path, database, settings=settings, **BOTH) as gateway:
        file = await gateway.upload(lines(20))
        batch = await gateway.create(file.id, completion_window="1h")
        assert batch.expires_at is not None
        assert batch.expires_at - batch.created_at == 3600
        assert batch.completion_window == "1h"
        ended = await gateway.ended(batch.id)
        assert await each_once(gateway, ended, 20) == {}
        assert sent(gateway) == {1: 20}
        assert gateway.provider_jobs() == []
        with pytest.raises(openai.BadRequestError, match="Supported values are: '24h' and '1h'"):
            await gateway.create(file.id, completion_window="2h")


async def test_live_takes_over_what_no_native_deployment_takes(tmp_path: Path, database: Database) -> None:
    simulator = Simulator(settings=SWIFT)
    simulator.add_fault(Fault(call="create_batch", status=429, times=None))
    settings = replace(SETTINGS, overflow_after_seconds=0.8)
    async with live_gateway(tmp_path, database, simulator=simulator, settings=settings, **BOTH) as gateway:
        batch = await gateway.create((await gateway.upload(lines(20))).id)
        assert not sent(gateway)
        ended = await gateway.ended(batch.id)
        assert await each_once(gateway, ended, 20) == {}
        assert sent(gateway) == {1: 20}


async def test_without_overflow_a_batch_waits_for_a_native_deployment(
    tmp_path: Path, database: Database
) -> None:
    simulator = Simulator(settings=SWIFT)
    simulator.add_fault(Fault(call="create_batch", status=429, times=6))
    async with live_gateway(tmp_path, database, simulator=simulator, **BOTH) as gateway:
        batch = await gateway.create((await gateway.upload(lines(20))).id)
        ended = await gateway.ended(batch.id)
        assert await each_once(gateway, ended, 20) == {}
        assert not sent(gateway)


async def test_live_runs_what_a_native_job_has_left_undone(tmp_path: Path, database: Database) -> None:
    simulator = Simulator(settings=replace(SWIFT, first_run_status=500, first_run_share=0.5))
    settings = replace(SETTINGS, rescue=True, late_rows_grace_seconds=0.3)
    async with live_gateway(tmp_path, database, simulator=simulator, settings=settings, **BOTH) as gateway:
        batch = await gateway.create((await gateway.upload(lines(40))).id)
        ended = await gateway.ended(batch.id)
        assert ended.status == "completed"
        assert await each_once(gateway, ended, 40) == {}
        assert 0 < sent(gateway)[1] < 40
        assert sent(gateway).keys() == {1}
