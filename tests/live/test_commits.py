"""Commits of results: the longer one takes, the fewer there are."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import anyio

from litebatch_asgi.app import open_storage
from litebatch_asgi.models import LineRange, RangeWrite
from tests.database import Database
from tests.harness import lines
from tests.live.stage import each_once, live_gateway

TAKES = 0.1
"""seconds, at the least"""
SHARE = 0.25
"""of all time, at the most"""
UNSEEN = 0.01
"""seconds before a commit that it is known of"""


async def test_a_database_that_is_slow_is_left_alone_for_most_of_the_time(
    tmp_path: Path, database: Database
) -> None:
    storage, began = open_storage(database.url), list[float]()
    write = storage.lines.write

    async def slowly(writes: Sequence[RangeWrite]) -> list[LineRange | None]:
        began.append(anyio.current_time())
        await anyio.sleep(TAKES)
        return await write(writes)

    storage.lines.write = slowly  # type: ignore[method-assign]
    async with live_gateway(tmp_path, database, storage=storage) as gateway:
        ended = await gateway.ended((await gateway.create((await gateway.upload(lines(80))).id)).id)
        assert await each_once(gateway, ended, 80) == {}
        assert len(began) > 2
        assert min(later - sooner for sooner, later in pairwise(began)) >= TAKES / SHARE - UNSEEN
