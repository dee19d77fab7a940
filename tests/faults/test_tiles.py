"""An upload of several tiles that breaks off: the file is there whole, or not at all."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from openai import APIConnectionError

from litebatch_asgi.app import open_storage
from litebatch_asgi.models import FileState
from tests.database import Database
from tests.faults.tiles import tiles_in_doubt, wrong_copies
from tests.harness import lines
from tests.survival.server import KEY, Deployed, deployed

CONTENT = lines(1500)
"""three tiles: there is a mark after each 500 requests"""


def often(place: str, *counts: int) -> list[Any]:
    """Deaths when a place is passed for so many times; all but the first of them in the long run."""
    return [
        pytest.param(f"{place}={count}*kill", marks=[pytest.mark.long] if number else [])
        for number, count in enumerate(counts)
    ]


@pytest.fixture
async def gateway(tmp_path: Path, database: Database) -> AsyncGenerator[Deployed]:
    """A gateway process over two deployments that cuts what is uploaded into three tiles."""
    cut: dict[str, Any] = {"parallel_shards": 3, "min_shard_requests": 1, "max_parallel_copies": 2}
    async with deployed(tmp_path, database=database, **cut) as gateway:
        yield gateway


@pytest.mark.parametrize(
    "death",
    [
        *often("upload.tile_taken", 1, 3, 4, 6),
        *often("upload.answered", 2, 1, 3, 5),
        *often("upload.tile_begun", 3, 1, 5),
        *(
            pytest.param(f"{place}=kill", marks=pytest.mark.long)
            for place in ("upload.created", "upload.intended")
        ),
        *often("upload.stored", 3, 2, 4)[1:],
    ],
)
async def test_a_file_is_there_whole_or_not_at_all_when_its_uploader_dies(
    gateway: Deployed, death: str
) -> None:
    await gateway.restart(death)
    with pytest.raises(APIConnectionError):
        await gateway.upload(CONTENT, key=KEY)
    await gateway.server.died()
    (file,) = await gateway.database.rows("SELECT id, accepted_at FROM files")
    taken = "SELECT count(DISTINCT shard) FROM file_copies WHERE provider_file_id IS NOT NULL"
    ((tiles,),) = await gateway.database.rows(taken)
    is_accepted = file[1] is not None
    assert is_accepted == (tiles == 3)
    await gateway.restart()
    listed = [each.id async for each in gateway.client(KEY).files.list()]
    assert listed == ([file[0]] if is_accepted else [])

    async def is_settled() -> bool:
        """Copies are where they are to be, or there is nothing but what is watched for a while."""
        to_do = ["intent", "pending", "deleting", *([] if is_accepted else ["ready"])]
        states = await gateway.database.rows("SELECT state FROM file_copies")
        return not any(state in to_do for (state,) in states)

    await gateway.eventually(is_settled)
    if is_accepted:
        assert await gateway.content(file[0], key=KEY) == CONTENT
        state = await state_of(gateway.database, file[0])
        accounts = list(gateway.simulator.accounts.values())
        assert await wrong_copies(state, accounts, CONTENT) == []
    else:
        assert [account.name for account in gateway.simulator.accounts.values() if account.files] == []


async def state_of(database: Database, file_id: str) -> FileState:
    """A file as its database has it."""
    storage = open_storage(database.url)
    await storage.open()
    try:
        state = await storage.get_file(file_id)
    finally:
        await storage.close()
    assert state is not None
    return state


async def test_tiles_in_doubt_are_found_by_their_own_tags(tmp_path: Path, database: Database) -> None:
    assert await tiles_in_doubt(tmp_path, database) == []
