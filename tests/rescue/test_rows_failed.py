"""Requests that failed for a passing reason run once more elsewhere, where that is worth a job."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from openai.types import Batch as OpenAIBatch

from litebatch_asgi.simulator import Simulator
from tests.database import Database
from tests.harness import InProcess, lines, rows_of, running_gateway
from tests.rescue.stage import RUNNING, SETTINGS, begun, each_once, sizes


@pytest.mark.parametrize("status", [429, 500])
async def test_all_that_failed_once_run_anew(tmp_path: Path, database: Database, status: int) -> None:
    simulator = Simulator(settings=replace(RUNNING, first_run_status=status))
    async with running_gateway(
        tmp_path, database=database, simulator=simulator, settings=SETTINGS
    ) as gateway:
        ended = await gateway.ended((await begun(gateway, 10)).id)
        assert ended.status == "completed"
        assert await each_once(gateway, ended, 10) == {}
        assert ended.error_file_id is None
        assert await sizes(simulator) == [10, 10]


async def test_some_that_failed_once_run_anew(tmp_path: Path, database: Database) -> None:
    simulator = Simulator(settings=replace(RUNNING, first_run_status=503, first_run_share=0.5))
    async with running_gateway(
        tmp_path, database=database, simulator=simulator, settings=SETTINGS
    ) as gateway:
        ended = await gateway.ended((await begun(gateway, 40)).id)
        assert ended.status == "completed"
        assert await each_once(gateway, ended, 40) == {}
        first, second = await sizes(simulator)
        assert first == 40
        assert 0 < second < 40


async def test_what_fails_for_its_content_is_not_run_anew(tmp_path: Path, database: Database) -> None:
    simulator = Simulator(settings=replace(RUNNING, first_run_status=400))
    async with running_gateway(
        tmp_path, database=database, simulator=simulator, settings=SETTINGS
    ) as gateway:
        ended = await gateway.ended((await begun(gateway, 10)).id)
        await each_once(gateway, ended, 10)
        assert await statuses(gateway, ended) == {400}
        assert await sizes(simulator) == [10]


@pytest.mark.parametrize(
    ("changes", "options"),
    [
        pytest.param({"min_retry_rows": 11}, {}, id="too few"),
        pytest.param({"row_retries": 0}, {}, id="settings"),
        pytest.param({}, {"row_retries": 0}, id="option"),
        pytest.param({}, {"rescue": False}, id="no rescue"),
    ],
)
async def test_failures_are_final_where_no_job_may_be_made_of_them(
    tmp_path: Path, database: Database, changes: dict[str, Any], options: dict[str, Any]
) -> None:
    simulator = Simulator(settings=replace(RUNNING, first_run_status=429))
    settings = replace(SETTINGS, **changes)
    async with running_gateway(
        tmp_path, database=database, simulator=simulator, settings=settings
    ) as gateway:
        ended = await gateway.ended((await begun(gateway, 10, extra_body={"litebatch": options})).id)
        assert ended.status == "completed"
        await each_once(gateway, ended, 10)
        assert await statuses(gateway, ended) == {429}
        assert await sizes(simulator) == [10]


async def test_what_fails_a_second_time_comes_out_as_it_is(tmp_path: Path, database: Database) -> None:
    simulator = Simulator(settings=RUNNING)
    async with running_gateway(
        tmp_path, database=database, simulator=simulator, settings=SETTINGS
    ) as gateway:
        content = lines(10, metadata={"simulate": "429"})
        ended = await gateway.ended((await gateway.create((await gateway.upload(content)).id)).id)
        assert ended.status == "completed"
        await each_once(gateway, ended, 10)
        assert await statuses(gateway, ended) == {429}
        assert await sizes(simulator) == [10, 10]


async def statuses(gateway: InProcess, batch: OpenAIBatch) -> set[int]:
    """Those of the rows in its error file."""
    return {row["response"]["status_code"] for row in rows_of(await gateway.content(batch.error_file_id))}
