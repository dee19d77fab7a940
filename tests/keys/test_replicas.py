"""Several gateways on one database."""

from __future__ import annotations

from pathlib import Path

import anyio

from tests.database import database_on
from tests.forks import run
from tests.harness import MODEL
from tests.survival.server import KEY, Deployed, replicas

EFFECTIVE_SECONDS = 5.0


async def counts(gateway: Deployed, key: str) -> bool:
    async with gateway.http(key) as http:
        return (await http.get("/models")).status_code == 200


async def test_a_block_is_effective_everywhere_within_seconds(tmp_path: Path) -> None:
    async with (
        database_on("postgresql", tmp_path) as database,
        replicas(2, tmp_path, database=database) as (one, other),
    ):
        await one.restart()
        await other.restart()
        async with one.http(KEY) as http:
            keys = [(await http.post("/key/generate", json={"models": [MODEL]})).json()["key"] for _ in "ab"]
            for key in keys:
                assert await counts(other, key)
            await http.post("/key/block", json={"key": keys[0]})
            deleted = await anyio.to_thread.run_sync(
                lambda: run("keys", "delete", keys[1], "--yes", "--database", database.url, cwd=tmp_path)
            )
            assert deleted.returncode == 0, deleted.stderr
        assert not await counts(one, keys[0])
        with anyio.fail_after(EFFECTIVE_SECONDS):
            while await counts(other, keys[0]) or await counts(other, keys[1]):  # noqa: ASYNC110 - processes
                await anyio.sleep(0.1)
