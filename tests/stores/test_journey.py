"""What no provider keeps for us: originals, and results of our own that are too large for one transaction."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from openai import APIStatusError, ConflictError, InternalServerError, NotFoundError
from openai.types import Batch

from litebatch_asgi import reconciler
from litebatch_asgi.failpoints import armed
from litebatch_asgi.models import Settings
from litebatch_asgi.simulator import Fault, RowFaults, Simulator
from tests.database import Database
from tests.harness import QUICK, SWIFT, InProcess, ids_of, lines, running_gateway

MANY = 6500
"""so many error rows of our own are more than 1 MiB"""


@pytest.fixture(autouse=True)
def swept_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciler, "SWEEP_SECONDS", 0.1)


def stored_in(folder: Path, **settings: Any) -> Settings:
    (folder / "contents").mkdir(exist_ok=True)
    return replace(QUICK, content_store=(folder / "contents").as_uri(), **settings)


def contents(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "contents").iterdir())


async def rows(database: Database, what: str = "state") -> list[Any]:
    return [row[0] for row in await database.rows(f'SELECT {what} FROM contents ORDER BY "key"')]


async def cancelled(gateway: InProcess, count: int = MANY) -> Batch:
    """A batch that no deployment took: its only result is an error file of our own."""
    gateway.simulator.add_fault(Fault(call="create_batch", status=429, times=None))
    batch = await gateway.create((await gateway.upload(lines(count))).id)
    await gateway.client().batches.cancel(batch.id)
    return await gateway.reached(batch.id, "cancelled")


def lose_copies(gateway: InProcess) -> None:
    gateway.simulator.add_fault(Fault(call="stream_file", match="file-lb", status=404, times=None))


@pytest.mark.parametrize("store", ["database", "folder"])
async def test_an_original_outlives_all_copies(tmp_path: Path, database: Database, store: str) -> None:
    settings = replace(QUICK, keep_originals="always")
    if store == "folder":
        settings = stored_in(tmp_path, keep_originals="always")
    async with running_gateway(tmp_path, database=database, settings=settings) as gateway:
        content = lines(9000)
        file = await gateway.upload(content)
        assert await rows(database) == ["kept"]
        lose_copies(gateway)
        assert await gateway.content(file.id) == content
        await gateway.client().files.delete(file.id)
        with pytest.raises(NotFoundError):
            await gateway.content(file.id)

        async def is_gone() -> bool:
            return await rows(database) == []

        await gateway.eventually(is_gone)
        assert await database.rows('SELECT "key" FROM content_chunks') == []
        assert store == "database" or contents(tmp_path) == []


async def test_a_missing_copy_is_made_from_the_original(tmp_path: Path, database: Database) -> None:
    settings = stored_in(tmp_path, keep_originals="always")
    async with running_gateway(tmp_path, database=database, settings=settings) as gateway:
        lose_copies(gateway)
        west = gateway.simulator.account("west")
        west.add_fault(Fault(call="upload_file", status=429))
        await gateway.upload()

        async def has_both() -> bool:
            return len(gateway.provider_files("west")) == 1

        await gateway.eventually(has_both)


async def test_an_upload_that_cannot_be_kept_is_not_accepted(tmp_path: Path, database: Database) -> None:
    """Nothing of it stays behind."""
    settings = stored_in(tmp_path, keep_originals="always")
    async with running_gateway(tmp_path, database=database, settings=settings) as gateway:
        (tmp_path / "contents").rmdir()
        with pytest.raises(InternalServerError) as raised:
            await gateway.upload()
        assert (raised.value.status_code, raised.value.code) == (503, "store_unavailable")
        assert gateway.provider_files("east") == gateway.provider_files("west") == []
        assert (await gateway.client().files.list()).data == []
        (tmp_path / "contents").mkdir()

        async def is_gone() -> bool:
            return await rows(database) == []

        await gateway.eventually(is_gone)
        await gateway.upload()


async def test_an_upload_that_no_deployment_takes_leaves_no_content(
    tmp_path: Path, database: Database
) -> None:
    settings = stored_in(tmp_path, keep_originals="always")
    async with running_gateway(tmp_path, database=database, settings=settings) as gateway:
        gateway.simulator.add_fault(Fault(call="upload_file", status=400, times=None))
        with pytest.raises(APIStatusError):
            await gateway.upload()

        async def is_gone() -> bool:
            return await rows(database) == [] and contents(tmp_path) == []

        await gateway.eventually(is_gone)


async def test_many_rows_of_our_own_go_into_the_store(tmp_path: Path, database: Database) -> None:
    """Not into one transaction; a few stay in the database."""
    settings = stored_in(tmp_path)
    async with running_gateway(tmp_path, database=database, settings=settings) as gateway:
        batch = await cancelled(gateway)
        few = await cancelled(gateway, 3)
        error = await gateway.content(batch.error_file_id)
        assert ids_of(error) == sorted(f"request-{number}" for number in range(MANY))
        found = await database.rows(
            f"SELECT kind, bytes, store FROM file_parts WHERE file_id = '{batch.error_file_id}'"
        )
        assert found == [("stored", len(error), settings.content_store)]
        assert await rows(database, "bytes") == [len(error)]
        kinds = f"SELECT kind FROM file_parts WHERE file_id = '{few.error_file_id}'"
        assert await database.rows(kinds) == [("inline",)]
        await gateway.client().files.delete(batch.error_file_id or "")

        async def is_gone() -> bool:
            return await rows(database) == [] and contents(tmp_path) == []

        await gateway.eventually(is_gone)


async def test_rows_that_are_left_of_results_go_into_the_store(tmp_path: Path, database: Database) -> None:
    """A provider's file cannot be published whole where some of its rows are dropped."""
    count = 3000
    async with running_gateway(tmp_path, database=database) as gateway:
        gateway.simulator.add_fault(Fault(call="run_batch", times=None, rows=RowFaults(doubled=1)))
        batch = await gateway.ended((await gateway.create((await gateway.upload(lines(count))).id)).id)
        output = await gateway.content(batch.output_file_id)
        assert ids_of(output) == sorted(f"request-{number}" for number in range(count))
        found = await database.rows("SELECT kind, bytes FROM file_parts")
        assert found == [("stored", len(output))]
        assert len(output) > 1 << 20


async def test_a_store_that_is_not_configured_any_more(tmp_path: Path, database: Database) -> None:
    """Its contents answer 409, and are neither named gone nor deleted; put back they are as they were."""
    settings = stored_in(tmp_path)
    async with running_gateway(tmp_path, database=database, settings=settings) as gateway:
        batch = await cancelled(gateway)
        error = await gateway.content(batch.error_file_id)
    async with running_gateway(tmp_path, database=database) as gateway:
        with pytest.raises(ConflictError) as raised:
            await gateway.content(batch.error_file_id)
        assert raised.value.code == "store_gone"
    again = replace(QUICK, old_content_stores=(settings.content_store + "/",))
    async with running_gateway(tmp_path, database=database, settings=again) as gateway:
        assert await gateway.content(batch.error_file_id) == error
        await gateway.client().files.delete(batch.error_file_id or "")

        async def is_gone() -> bool:
            return await rows(database) == [] and contents(tmp_path) == []

        await gateway.eventually(is_gone)


async def test_an_original_in_a_store_that_is_not_configured_any_more(
    tmp_path: Path, database: Database
) -> None:
    """Whatever its copies have come to: it is not gone, and nobody says that it is."""
    start = partial(running_gateway, tmp_path, database=database, simulator=Simulator(settings=SWIFT))
    async with start(settings=stored_in(tmp_path, keep_originals="always")) as gateway:
        file = await gateway.upload()
    async with start() as gateway:
        for told, expected in ((404, (409, "store_gone")), (503, (503, "service_unavailable"))):
            fault = Fault(call="stream_file", match="file-lb", status=told, times=None)
            armed_fault = gateway.simulator.add_fault(fault)
            with pytest.raises(APIStatusError) as raised:
                await gateway.content(file.id)
            assert (raised.value.status_code, raised.value.code) == expected
            gateway.simulator.remove_fault(armed_fault)


@pytest.mark.parametrize("place", ["content.begun", "content.put"])
async def test_an_attempt_that_fails_leaves_no_content(
    tmp_path: Path, database: Database, place: str
) -> None:
    """Results are written by the next one."""
    settings = replace(stored_in(tmp_path), lease_seconds=1.0)
    async with running_gateway(tmp_path, database=database, settings=settings) as gateway:
        with armed(f"{place}=raise"):
            batch = await cancelled(gateway)
        assert len(ids_of(await gateway.content(batch.error_file_id))) == MANY

        async def is_one_left() -> bool:
            return await rows(database) == ["kept"] and len(contents(tmp_path)) == 1

        await gateway.eventually(is_one_left)


async def test_a_stored_content_that_was_lost_is_told(
    tmp_path: Path, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    settings = stored_in(tmp_path)
    async with running_gateway(tmp_path, database=database, settings=settings) as gateway:
        batch = await cancelled(gateway)
        (key,) = contents(tmp_path)
        (tmp_path / "contents" / key).unlink()
        with pytest.raises(APIStatusError):
            await gateway.content(batch.error_file_id)
        assert "a content store has lost a content" in caplog.text
