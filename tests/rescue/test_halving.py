"""Shards that no deployment takes whole are cut in two, and these again."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from msgspec.structs import replace

from litebatch_asgi.simulator import Fault, Simulator
from tests.database import Database
from tests.faults.stage import gateway_on
from tests.harness import deployments, ids_of
from tests.rescue.stage import RUNNING, SETTINGS, begun, each_once, sizes
from tests.translated.conftest import stage
from tests.translated.deployed import VERTEX
from tests.translated.stage import Stage, file_of

__all__ = ["stage"]

IDS = [f'"{name}"' for name in "abcdefgh"]


@pytest.mark.parametrize(("most", "pieces"), [(8, [8]), (4, [4, 4]), (2, [2, 2, 2, 2])])
async def test_an_input_that_cannot_be_imported_is_halved_until_it_can(
    stage: Stage, most: int, pieces: list[int]
) -> None:
    stage.simulator.account(VERTEX).configure(max_lines=most)
    async with stage.gateway(VERTEX, settings=SETTINGS) as gateway:
        file = await gateway.upload(file_of(IDS))
        ended = await gateway.ended((await gateway.create(file.id)).id)
        output, error = await gateway.results(ended)
        assert (ended.status, error) == ("completed", b"")
        assert ids_of(output) == list("abcdefgh")
        ran = [len(job.custom_ids or ()) for job in await stage.simulator.jobs() if job.ran]
        assert sorted(ran) == pieces


async def test_an_input_that_cannot_be_read_now_is_halved_later(
    stage: Stage, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A content store that is away for a moment fails no batch."""
    stage.simulator.account(VERTEX).configure(max_lines=4)
    folder, away = tmp_path / "contents", tmp_path / "away"
    folder.mkdir()
    settings = replace(SETTINGS, content_store=folder.as_uri())
    async with stage.gateway(VERTEX, settings=settings) as gateway:
        file = await gateway.upload(file_of(IDS))
        folder.rename(away)
        batch = await gateway.create(file.id)

        async def is_tried() -> bool:
            return caplog.messages.count("a shard cannot be halved") >= 2

        await gateway.eventually(is_tried)
        away.rename(folder)
        ended = await gateway.ended(batch.id)
        output, error = await gateway.results(ended)
        assert (ended.status, error) == ("completed", b"")
        assert ids_of(output) == list("abcdefgh")


async def test_what_cannot_be_imported_by_single_lines_fails(stage: Stage) -> None:
    stage.simulator.add_fault(Fault(account=VERTEX, call="validate_batch", code="3", times=None))
    async with stage.gateway(VERTEX, settings=SETTINGS) as gateway:
        file = await gateway.upload(file_of(IDS[:2]))
        ended = await gateway.ended((await gateway.create(file.id)).id)
        assert ended.status == "failed"
        assert ended.errors is not None
        assert {error.code for error in ended.errors.data or ()} == {"INVALID_ARGUMENT"}


async def test_a_shard_that_a_configuration_has_outgrown_is_halved(
    tmp_path: Path, database: Database
) -> None:
    """It was cut when the deployments took more at once."""
    simulator = Simulator(settings=RUNNING)
    async with simulator.running() as provider:
        start = partial(gateway_on, simulator, provider, tmp_path, settings=SETTINGS, database=database)
        full = simulator.add_fault(Fault(call="create_batch", status=429, times=None))
        async with start() as gateway:
            batch = await begun(gateway, 8)
            assert batch.status == "validating"
        simulator.remove_fault(full)
        async with start(served=deployments(provider, max_job_requests=3)) as gateway:
            ended = await gateway.ended(batch.id)
            assert ended.status == "completed"
            assert await each_once(gateway, ended, 8) == {}
            assert sorted(await sizes(simulator)) == [2, 2, 2, 2]
