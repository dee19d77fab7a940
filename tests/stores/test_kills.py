"""kill -9 at each step of keeping and discarding: no key without bytes, and no bytes that nothing names."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest

from tests.harness import PATIENCE_SECONDS, lines
from tests.retries.requests import client, upload
from tests.survival.server import KEY as MASTER_KEY
from tests.survival.server import Deployed, deployed

CONTENT = lines(20)


def some_in_the_long_run(*places: str) -> list[Any]:
    return [pytest.param(place, marks=pytest.mark.long) for place in places]


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncGenerator[Deployed]:
    """A gateway process that keeps originals in a folder."""
    (tmp_path / "contents").mkdir()
    kept: dict[str, Any] = {"content_store": (tmp_path / "contents").as_uri(), "keep_originals": "always"}
    async with deployed(tmp_path, **kept) as gateway:
        yield gateway


async def settled(gateway: Deployed, folder: Path, *, files: int) -> None:
    """Wait until the folder holds what parts name, and nothing else, for so many files."""
    there: list[str] = []
    with anyio.move_on_after(PATIENCE_SECONDS):
        while True:
            named = await gateway.database.rows(
                "SELECT content_key FROM file_parts WHERE content_key IS NOT NULL ORDER BY content_key"
            )
            there = sorted(path.name for path in (folder / "contents").iterdir())
            if there == [row[0] for row in named] and len(there) == files:
                break
            await anyio.sleep(0.05)
    assert len(there) == files, there
    kept = await gateway.database.rows("""SELECT "key" FROM contents WHERE state = 'kept' ORDER BY "key" """)
    assert [row[0] for row in kept] == there

    async def is_known() -> bool:
        """What is still written down is what a lost writer may bring, until it is looked for again."""
        rest = await gateway.database.rows("SELECT state, watch_until FROM contents WHERE state <> 'kept'")
        return all(state == "deleting" and until is not None for state, until in rest)

    await gateway.eventually(is_known)


@pytest.mark.parametrize(
    "place", ["content.put", *some_in_the_long_run("content.begun", "content.named", "upload.answered")]
)
async def test_an_upload_that_dies(gateway: Deployed, tmp_path: Path, place: str) -> None:
    """Its original goes with it, or is that of the file that others have brought to its end."""
    await gateway.restart(f"{place}=kill")
    async with client(gateway.address, MASTER_KEY) as http:
        with pytest.raises(httpx2.TransportError):
            await upload(http, {}, CONTENT)
        await gateway.server.died()
        await gateway.restart()
        answer = await upload(http, {"x-stainless-retry-count": "1"}, CONTENT)
        assert answer.status_code == 200, answer.text
        await settled(gateway, tmp_path, files=1)
        (file,) = (await http.get("/files")).json()["data"]
        for account in gateway.simulator.accounts.values():
            for each in list(account.files):
                await account.delete_file(each)
        assert (await http.get(f"/files/{file['id']}/content")).content == CONTENT


@pytest.mark.parametrize("place", ["content.deleted", *some_in_the_long_run("content.discarding")])
async def test_a_discarder_that_dies(gateway: Deployed, tmp_path: Path, place: str) -> None:
    """Another one goes on with what it had claimed."""
    await gateway.restart(f"{place}=kill")
    async with client(gateway.address, MASTER_KEY) as http:
        kept, deleted = [await upload(http, {}, lines(count)) for count in (20, 21)]
        await http.delete(f"/files/{deleted.json()['id']}")
        await gateway.server.died()
        await gateway.restart()
        await settled(gateway, tmp_path, files=1)
        assert (await http.get(f"/files/{kept.json()['id']}/content")).content == CONTENT
    assert await gateway.database.rows("SELECT 1 FROM contents WHERE state <> 'kept'") == []
