"""Copies in the language of a provider: their limits, and how they are made anew."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace
from openai import BadRequestError

from litebatch_asgi.fleet import Fleet
from litebatch_asgi.providers.anthropic import AnthropicAdapter
from litebatch_asgi.providers.vertex import VertexAdapter
from litebatch_asgi.simulator import Fault
from tests.database import Database
from tests.harness import HASTY, ids_of
from tests.translated.deployed import ANTHROPIC, OPENAI, TRANSLATED, UPSTREAM, VERTEX
from tests.translated.stage import Stage, file_of, request

IDS = [f'"{number}"' for number in range(5)]
ADAPTERS: dict[str, Any] = {VERTEX: VertexAdapter, ANTHROPIC: AnthropicAdapter}
OTHER = {VERTEX: "gemini-2.5-pro", ANTHROPIC: "claude-haiku-4-5"}


STATES = "SELECT shard, deployment_id, state FROM file_copies ORDER BY shard, deployment_id"


@pytest.mark.parametrize("name", TRANSLATED)
async def test_what_is_more_than_a_provider_takes_is_cut_for_it(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, database: Database, name: str
) -> None:
    monkeypatch.setattr(ADAPTERS[name], "max_requests", 4)
    async with stage.gateway(OPENAI, name) as gateway:
        file = await gateway.upload(file_of(IDS))
        assert await gateway.content(file.id) == file_of(IDS)
        where = sorted((OPENAI, name))
        assert await database.rows(STATES) == [(tile, each, "ready") for tile in range(2) for each in where]


@pytest.mark.parametrize("name", TRANSLATED)
async def test_a_line_that_is_longer_than_a_provider_takes_goes_to_the_others(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, database: Database, name: str
) -> None:
    monkeypatch.setattr(ADAPTERS[name], "max_bytes", 300)
    long = request(IDS[0], "x" * 300).encode()
    async with stage.gateway(OPENAI, name) as gateway:
        file = await gateway.upload(long)
        assert [row[1:] for row in await database.rows(STATES)] == sorted(
            [(OPENAI, "ready"), (name, "failed")]
        )
        for _ in range(2):
            assert (await gateway.ended((await gateway.create(file.id)).id)).status == "completed"
        assert (len(stage.jobs(OPENAI)), stage.jobs(name)) == (2, [])
        assert (await gateway.upload(file_of(IDS[:1]))).status == "processed"
    async with stage.gateway(name) as gateway:
        with pytest.raises(BadRequestError) as raised:
            await gateway.upload(long)
        assert raised.value.code == "file_too_large"


@pytest.mark.parametrize("name", TRANSLATED)
async def test_a_file_is_translated_anew_for_another_model(
    stage: Stage, database: Database, name: str
) -> None:
    async with stage.gateway(name, settings=HASTY) as gateway:
        file = await gateway.upload(file_of(IDS))
    async with stage.gateway(name, settings=HASTY, upstream=UPSTREAM | OTHER) as gateway:
        batch = await gateway.ended((await gateway.create(file.id)).id)
        assert batch.status == "completed"
        assert ids_of((await gateway.results(batch))[0]) == sorted(map(str, range(5)))
        models = await database.rows("SELECT model FROM file_copies WHERE provider_file_id LIKE '%jsonl%'")
        assert models == [(OTHER[name],)]
        (job,) = stage.jobs(name)
        assert OTHER[name] in str(job.model or "") or name == ANTHROPIC


async def test_a_copy_for_which_there_is_no_room_on_our_disk_waits(
    stage: Stage, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """Later each time, and with the reason in its row, for others to take the file; then it is made."""
    away = stage.simulator.account(VERTEX).add_fault(Fault(call="upload_file", status=503, times=None))
    async with stage.gateway(OPENAI, VERTEX, settings=HASTY) as gateway:
        file = await gateway.upload(file_of(IDS))
    stage.simulator.remove_fault(away)
    copies = f"SELECT attempts, error, claimed_by FROM file_copies WHERE deployment_id = '{VERTEX}'"
    before = (await database.rows(copies))[0][0]
    cramped = replace(HASTY, max_spool_bytes=100)
    async with stage.gateway(OPENAI, VERTEX, settings=cramped) as gateway:

        async def is_put_off() -> bool:
            ((attempts, error, claimed_by),) = await database.rows(copies)
            return attempts >= before + 2 and "too large" in (error or "") and claimed_by is None

        await gateway.eventually(is_put_off)
        assert "a due row could not be looked after" not in caplog.text
    async with stage.gateway(OPENAI, VERTEX, settings=HASTY) as gateway:

        async def is_ready() -> bool:
            return await database.rows(STATES) == [(0, OPENAI, "ready"), (0, VERTEX, "ready")]

        await gateway.eventually(is_ready)
        assert await gateway.content(file.id) == file_of(IDS)


async def test_the_size_of_a_translated_copy_is_its_own(stage: Stage, database: Database) -> None:
    async with stage.gateway(VERTEX, ANTHROPIC) as gateway:
        file = await gateway.upload(file_of(IDS))
        sizes = dict(await database.rows("SELECT deployment_id, bytes FROM file_copies"))
        (copy,) = gateway.provider_files(VERTEX)
        assert sizes[VERTEX] == copy.bytes
        assert len({sizes[VERTEX], sizes[ANTHROPIC], file.bytes}) == 3


@pytest.mark.parametrize("status", [404, 410])
async def test_an_upload_that_is_lost_on_its_way_is_sent_anew_and_holds_up_nothing_else(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, database: Database, status: int
) -> None:
    """Google forgets one upload: the deployment takes others all the same."""
    monkeypatch.setattr(VertexAdapter, "chunk_bytes", 256 << 10)
    lost = stage.simulator.add_fault(Fault(call="upload_chunk", account=VERTEX, status=status))
    rested: list[str] = []

    def note(_: Fleet, deployment_id: str, *__: object, **___: object) -> None:
        rested.append(deployment_id)

    monkeypatch.setattr(Fleet, "cool_down", note)
    async with stage.gateway(OPENAI, VERTEX, settings=HASTY) as gateway:
        await gateway.upload(request(IDS[0], "x" * (300 << 10)).encode())

        async def is_there() -> bool:
            states = {row[1:] for row in await database.rows(STATES)}
            return states == {(OPENAI, "ready"), (VERTEX, "ready")}

        await gateway.eventually(is_there)
    assert lost.struck == 1
    assert rested == []
