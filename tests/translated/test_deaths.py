"""Our own work ends between two steps of a translation: nothing is lost, and nothing is done twice."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest
from msgspec.structs import replace

from litebatch_asgi.errors import ProviderError
from litebatch_asgi.failpoints import armed
from litebatch_asgi.files.origin import Origin
from litebatch_asgi.models import FileState, Shard
from litebatch_asgi.simulator import Fault, RowFaults
from tests.database import Database
from tests.harness import HASTY, ids_of, rows_of
from tests.translated.deployed import ANTHROPIC, OPENAI, TRANSLATED
from tests.translated.stage import ODD_IDS, Stage, file_of, spelled


@pytest.mark.parametrize("place", ["settle.decoded", "settle.before", "settle.stored", "content.put"])
@pytest.mark.parametrize("name", TRANSLATED)
async def test_results_are_published_and_charged_once(
    stage: Stage, database: Database, name: str, place: str
) -> None:
    """What is put into the store is large; little stays in the database."""
    count = 2300 if place == "content.put" else 3
    ids = [f'"{number:04}{"x" * 490}"' for number in range(count)]
    async with stage.gateway(name, settings=HASTY) as gateway:
        file = await gateway.upload(file_of(ids))
        with armed(f"{place}=raise"):
            batch = await gateway.ended((await gateway.create(file.id)).id)
        assert batch.status == "completed"
        output, error = await gateway.results(batch)
        assert (spelled(output), error) == (sorted(ids), b"")
        assert await database.rows("SELECT count(*) FROM charges") == [(1,)]
        outputs = await database.rows("SELECT count(*) FROM files WHERE kind = 'output'")
        assert (outputs, len(stage.jobs(name))) == ([(1,)], 1)


@pytest.mark.parametrize("name", TRANSLATED)
async def test_a_copy_whose_upload_broke_off_is_translated_anew(stage: Stage, name: str) -> None:
    """From the original: what is at the other deployment is gone."""
    content = file_of(ODD_IDS)
    async with stage.gateway(OPENAI, name, settings=HASTY) as gateway:
        with armed("upload.stored=raise" if name == ANTHROPIC else "upload.intended=raise"):
            file = await gateway.upload(content)
        for where in (OPENAI, name):
            stage.simulator.account(where).add_fault(
                Fault(call="stream_file", match="file-lb", status=404, times=None)
            )
        stage.simulator.account(OPENAI).add_fault(Fault(call="create_batch", status=429, times=None))
        batch = await gateway.ended((await gateway.create(file.id)).id)
        assert batch.status == "completed"
        output, _ = await gateway.results(batch)
        assert sorted(spelled(output)) == sorted(ODD_IDS)
        assert await gateway.content(file.id) == content


async def test_lines_that_cannot_be_read_now_are_no_refusal(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, database: Database
) -> None:
    """The batch waits until its input can be read, and its deployment is not rested."""
    blocks, failures = Origin.shard_blocks, [ProviderError("not now"), ProviderError("not now")]

    async def unreadable(self: Origin, state: FileState, shard: Shard) -> AsyncGenerator[bytes]:
        if failures:
            raise failures.pop()
        async for block in blocks(self, state, shard):
            yield block

    async with stage.gateway(ANTHROPIC) as gateway:
        file = await gateway.upload(file_of(['"a"', '"b"']))
        monkeypatch.setattr(Origin, "shard_blocks", unreadable)
        batch = await gateway.ended((await gateway.create(file.id)).id)
        assert batch.status == "completed"
        assert failures == []
        assert await database.rows("SELECT state, attempt FROM jobs") == [("settled", 1)]


async def test_rows_that_were_lost_doubled_or_foreign_are_put_right(stage: Stage) -> None:
    for name in TRANSLATED:
        rows = RowFaults(lost=2, doubled=2, foreign=1, unparsable=1)
        stage.simulator.account(name).add_fault(Fault(call="run_batch", rows=rows))
        async with stage.gateway(name) as gateway:
            file = await gateway.upload(file_of([f'"{number}"' for number in range(20)]))
            batch = await gateway.ended((await gateway.create(file.id)).id)
            output, error = await gateway.results(batch)
            told = [row["custom_id"] for each in (output, error) for row in rows_of(each)]
            assert sorted(told) == sorted(map(str, range(20)))
            lost = [row for row in rows_of(error) if row["error"]]
            assert {row["error"]["code"] for row in lost} == {"batch_line_lost"}


@pytest.mark.parametrize("name", TRANSLATED)
async def test_results_need_nothing_of_the_disk_space_of_uploads(stage: Stage, name: str) -> None:
    """What is paid for comes out, however full the spools are: answers may be longer than any upload."""
    ids = [f'"{number:03}"' for number in range(300)]
    content = file_of(ids)
    settings = replace(HASTY, max_spool_bytes=int(2.5 * len(content)))
    async with stage.gateway(name, settings=settings) as gateway:
        file = await gateway.upload(content)
        batch = await gateway.ended((await gateway.create(file.id)).id)
        output, errors = await gateway.results(batch)
    assert (len(ids_of(output)), errors) == (len(ids), b"")
    assert len(output) > settings.max_spool_bytes
