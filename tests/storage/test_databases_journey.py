"""A client's way through a gateway whose state is in the host's `databases.Database`."""

from __future__ import annotations

from pathlib import Path

import pytest
from databases import Database
from openai import NotFoundError

from litebatch_databases import DatabasesStorage
from tests.harness import MODEL, Gateway, ids_of, lines, running_gateway
from tests.storage.hosts import add, names, postgres_host, sqlite_host


async def whole_journey(gateway: Gateway) -> None:
    client = gateway.client()
    file = await gateway.upload(lines(3))
    assert await gateway.content(file.id) == lines(3)
    created = await gateway.create(file.id, metadata={"of": "the host"})
    batch = await gateway.ended(created.id)
    assert (batch.status, batch.model, batch.metadata) == ("completed", MODEL, {"of": "the host"})
    output, error = await gateway.results(batch)
    assert ids_of(output) == ["request-0", "request-1", "request-2"]
    assert error == b""
    assert [each.id async for each in client.batches.list()] == [batch.id]
    assert {each.id async for each in client.files.list()} == {file.id, batch.output_file_id}
    second = await gateway.create(file.id)
    await client.batches.cancel(second.id)
    await gateway.ended(second.id)
    await client.files.delete(file.id)
    with pytest.raises(NotFoundError):
        await client.files.retrieve(file.id)


async def gone_with(database: Database, folder: Path) -> None:
    await add(database, "of the host", table="files")
    async with running_gateway(folder, storage=DatabasesStorage(database)) as gateway:
        await whole_journey(gateway)
    assert await names(database, table="files") == ["of the host"]


async def test_a_whole_journey_on_sqlite(tmp_path: Path) -> None:
    async with sqlite_host(tmp_path) as database:
        await gone_with(database, tmp_path)


async def test_a_whole_journey_on_postgres(tmp_path: Path) -> None:
    async with postgres_host() as database:
        await gone_with(database, tmp_path)
