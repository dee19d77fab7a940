"""How quickly requests come, and how long they may take: as configuration and answers say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.database import Database
from tests.live.raw import RawLines, answered, answering, using
from tests.live.stage import SETTINGS, asking, each_once, live_gateway

AT_FIRST = 4
"""requests in flight before there is an answer"""
CAUGHT_UP = 0.6
"""seconds by which a pace may be made good"""


async def run(folder: Path, database: Database, server: RawLines, count: int, **options: Any) -> None:
    """A batch of so many lines, which all succeed."""
    options["api_base"] = server.base_url
    async with live_gateway(folder, database, live_options=options) as gateway:
        file = await gateway.upload(b"".join(asking(number) for number in range(count)))
        ended = await gateway.ended((await gateway.create(file.id)).id)
        assert await each_once(gateway, ended, count) == {}


@pytest.mark.parametrize("what", ["requests", "tokens"])
async def test_a_success_that_leaves_nothing_is_the_last_for_a_while(
    tmp_path: Path, database: Database, what: str
) -> None:
    empty = f"x-ratelimit-remaining-{what}: 0", f"x-ratelimit-reset-{what}: 1s"
    async with answering(lambda _: answered(b"{}", *(empty if len(server.received) == 1 else ()))) as server:
        await run(tmp_path, database, server, 40)
        assert len([at for at in server.seconds() if at < 0.95]) <= AT_FIRST


async def test_requests_come_no_quicker_than_configured(tmp_path: Path, database: Database) -> None:
    async with answering(lambda _: using("1")) as server:
        await run(tmp_path, database, server, 4, rpm=120)
        assert max(server.seconds()) >= 3 * 0.5 - CAUGHT_UP


async def test_tokens_are_counted_as_answers_tell_them(tmp_path: Path, database: Database) -> None:
    """By estimate each request has some fifty. The answer of one may not be there when the last begins."""
    async with answering(lambda _: using("1000")) as server:
        await run(tmp_path, database, server, 5, tpm=120_000, max_parallel_requests=2)
        assert max(server.seconds()) >= 3 * 0.5 - CAUGHT_UP


async def test_a_request_may_take_as_long_as_its_deployment_says(tmp_path: Path, database: Database) -> None:
    async with answering(lambda number: using("1") if number else b"") as server:
        settings = replace(SETTINGS, live_timeout_seconds=30, live_attempts=1)
        options = {"api_base": server.base_url, "timeout": 0.5}
        async with live_gateway(tmp_path, database, settings=settings, live_options=options) as gateway:
            file = await gateway.upload(asking(0) + asking(1))
            ended = await gateway.ended((await gateway.create(file.id)).id)
            assert await each_once(gateway, ended, 2) == {"request_timeout": 1}
            assert b"within 0.5 seconds" in await gateway.content(ended.error_file_id)
