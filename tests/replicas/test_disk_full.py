"""SQLite whose file cannot grow: requests are told so, nothing is damaged, and later it goes on."""

from __future__ import annotations

import resource
from contextlib import suppress
from pathlib import Path

import openai
import pytest

from tests.database import Database
from tests.harness import lines
from tests.replicas.running import Replica, Site

pytestmark = pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="a limit cannot be set from outside")
UNLIMITED = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)


def limit_files(replica: Replica, size: int) -> None:
    """Let no file of the process grow beyond so many bytes: as on a full disk, but for this process alone."""
    resource.prlimit(replica.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


async def test_a_database_that_cannot_grow(here: Site, database: Database, tmp_path: Path) -> None:
    replica = await here.replica()
    file = await replica.upload(lines(50))
    before = [await replica.create(file.id) for _ in range(3)]
    limit_files(replica, 1024)
    told: set[tuple[int, str | None]] = set()
    for _ in range(5):
        try:
            await replica.create(file.id)
        except openai.APIStatusError as error:
            told.add((error.status_code, error.code))
    assert told == {(503, "storage_unavailable")}
    with suppress(openai.APIStatusError):
        assert (await replica.client().batches.retrieve(before[0].id)).id == before[0].id
    resource.prlimit(replica.pid, resource.RLIMIT_FSIZE, UNLIMITED)
    for batch in [*before, await replica.create(file.id)]:
        assert (await replica.ended(batch.id)).status == "completed"
    assert await database.rows("PRAGMA integrity_check") == [("ok",)]
    assert await replica.stop() == 0
