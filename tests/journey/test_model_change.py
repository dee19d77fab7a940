"""The upstream model of a deployment changes, and its id stays."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from litebatch_asgi.models import Deployment
from litebatch_asgi.simulator import Account, Fault, RowFaults, Simulator
from tests.database import Database
from tests.faults.stage import HELD, gateway_on
from tests.harness import HASTY, MODEL, InProcess, ids_of, lines

CONTENT = lines(9)
IDS = sorted(f"request-{number}" for number in range(9))
OLD, NEW = "gpt-first", "gpt-other"
"""of equal length: the size of a copy tells nothing"""


class Changing:
    """A gateway over one deployment, which is started anew with another model."""

    def __init__(self, simulator: Simulator, provider: str, folder: Path, database: Database) -> None:
        self.simulator = simulator
        self._where: dict[str, Any] = {"folder": folder, "database": database, "settings": HASTY}
        self._provider = provider

    @property
    def east(self) -> Account:
        return self.simulator.account("east")

    def with_model(self, model: str) -> AbstractAsyncContextManager[InProcess]:
        """The gateway, while it runs with this upstream model."""
        served = Deployment(
            model_name=MODEL,
            model=f"openai/{model}",
            api_base=f"{self._provider}/east/v1",
            api_key="sk-east",
            id="east",
        )
        return gateway_on(self.simulator, self._provider, served=[served], **self._where)

    async def inputs(self) -> dict[str, str]:
        """The model in each copy that the provider has, by the provider's id."""
        found: dict[str, str] = {}
        for file in self.east.files.values():
            if file.purpose == "batch":
                content = await self.east.content(file.id)
                (found[file.id],) = [model for model in (OLD, NEW) if content == at(model)]
        return found

    async def read_by(self, job: int) -> str:
        """The model in the copy that the provider's batch with this number reads, counted from 0."""
        return (await self.inputs())[list(self.east.batches.values())[job].input_file_id]


def at(model: str) -> bytes:
    """What a copy holds at a deployment with this model."""
    return CONTENT.replace(f'"{MODEL}"'.encode(), f'"{model}"'.encode())


@pytest.fixture
async def changing(tmp_path: Path, database: Database) -> AsyncGenerator[Changing]:
    simulator = Simulator(settings=HELD)
    async with simulator.running() as provider:
        yield Changing(simulator, provider, tmp_path, database)


async def test_an_input_is_read_by_the_name_that_it_was_sent_with(changing: Changing) -> None:
    async with changing.with_model(OLD) as gateway:
        file = await gateway.upload(CONTENT)
    async with changing.with_model(NEW) as gateway:
        assert await gateway.content(file.id) == CONTENT


async def test_a_new_batch_runs_on_the_model_of_today(changing: Changing) -> None:
    async with changing.with_model(OLD) as gateway:
        file = await gateway.upload(CONTENT)
    async with changing.with_model(NEW) as gateway:
        batch = await gateway.reached((await gateway.create(file.id)).id, "in_progress")
        assert await changing.read_by(0) == NEW
        changing.east.release()
        assert (await gateway.ended(batch.id)).status == "completed"

        async def is_alone() -> bool:
            return list((await changing.inputs()).values()) == [NEW]

        await gateway.eventually(is_alone)
        assert await gateway.content(file.id) == CONTENT
        await gateway.client().files.delete(file.id)

        async def is_gone() -> bool:
            return not await changing.inputs()

        await gateway.eventually(is_gone)


async def test_what_a_running_batch_reads_stays_until_it_has_ended(changing: Changing) -> None:
    async with changing.with_model(OLD) as gateway:
        file = await gateway.upload(CONTENT)
        await gateway.reached((first := await gateway.create(file.id)).id, "in_progress")
    async with changing.with_model(NEW) as gateway:
        await gateway.reached((second := await gateway.create(file.id)).id, "in_progress")
        assert [await changing.read_by(job) for job in (0, 1)] == [OLD, NEW]
        east = list(changing.east.batches)
        changing.east.release(east[1])
        assert (await gateway.ended(second.id)).status == "completed"

        async def was_looked_at() -> bool:
            return await gateway.database.rows("SELECT 1 FROM file_copies WHERE attempts > 5") != []

        await gateway.eventually(was_looked_at)
        assert await changing.read_by(0) == OLD
        changing.east.release(east[0])
        assert (await gateway.ended(first.id)).status == "completed"

        async def is_alone() -> bool:
            return list((await changing.inputs()).values()) == [NEW]

        await gateway.eventually(is_alone)


async def test_rows_that_were_lost_are_told_after_the_change(changing: Changing) -> None:
    changing.simulator.add_fault(Fault(call="run_batch", rows=RowFaults(lost=2)))
    async with changing.with_model(OLD) as gateway:
        batch = await gateway.create((await gateway.upload(CONTENT)).id)
        await gateway.reached(batch.id, "in_progress")
    async with changing.with_model(NEW) as gateway:
        changing.east.release()
        output, errors = await gateway.results(await gateway.ended(batch.id))
        assert sorted(ids_of(output) + ids_of(errors)) == IDS
        assert len(ids_of(errors)) == 2


@pytest.mark.parametrize("when", ["before", "after"])
async def test_the_old_copy_is_never_taken_for_an_upload_in_doubt(changing: Changing, when: Any) -> None:
    """Whether the new one was made or not."""
    async with changing.with_model(OLD) as gateway:
        file = await gateway.upload(CONTENT)
    async with changing.with_model(NEW) as gateway:
        lost = changing.east.add_fault(Fault(call="upload_file", when=when, drop=True))
        batch = await gateway.create(file.id)
        await gateway.reached(batch.id, "in_progress")
        assert lost.struck == 1
        assert await changing.read_by(0) == NEW
        uploads = changing.simulator.journal.select("upload_file")
        assert len(uploads) == (2 if when == "after" else 3), "what was made is adopted"
        changing.east.release()
        assert (await gateway.ended(batch.id)).status == "completed"
