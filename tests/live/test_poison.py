"""Lines that do harm, to their server or to themselves: each gets its own error row, and nobody else does."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from litebatch_asgi.live import LiveRunner
from litebatch_asgi.simulator import Fault, Latency
from tests.database import Database
from tests.live.stage import (
    SERVER,
    SETTINGS,
    asking,
    each_once,
    lines_with,
    live_gateway,
    nothing_is_left,
    sent_of,
)

ONCE_MORE = replace(SETTINGS, live_timeout_seconds=0.6, live_attempts=2, max_answer_bytes=100_000)
SLOW = replace(SERVER, latency=Latency(seconds=0.05))

POISON: dict[str, tuple[str, dict[str, Any]]] = {
    "kills the server": ("connection_error", {"down": {"seconds": 0.05, "how": "cut_at_request"}}),
    "hangs": ("request_timeout", {"stall": True}),
    "answers too much": ("answer_too_large", {"answer_bytes": 100_001}),
    "is cut": ("connection_error", {"drop": True}),
    "fails": ("500", {"status": 500}),
    "takes too long": ("408", {"status": 408}),
}


@pytest.mark.parametrize("name", POISON)
async def test_a_line_that_does_harm_has_its_own_error(
    tmp_path: Path, database: Database, runners: list[LiveRunner], name: str
) -> None:
    code, fault = POISON[name]
    async with live_gateway(tmp_path, database, settings=ONCE_MORE, server=SLOW) as gateway:
        file = await gateway.upload(lines_with(30, {3}, **fault))
        ended = await gateway.ended((await gateway.create(file.id)).id)
        assert await each_once(gateway, ended, 30) == {code: 1}
        error = await gateway.content(ended.error_file_id)
        assert b'"request-3"' in error
        least = 1 if name == "answers too much" else ONCE_MORE.live_attempts
        # Two deaths of the server are no attempts, where others were under way beside it and fell too.
        most = least + 2 if name == "kills the server" else least
        # What is cut at once on a connection that was idle is sent anew, within the same attempt.
        most = 2 * most if code == "connection_error" else most
        assert least <= sent_of(gateway, 3) <= most
        await nothing_is_left(gateway, runners)
        assert await gateway.database.rows("SELECT 1 FROM line_alone") == []


async def test_lines_that_hang_hold_up_nobody(tmp_path: Path, database: Database) -> None:
    """Five at the head take all places once, for as long as they may; then they wait behind all others."""
    settings = replace(SETTINGS, live_timeout_seconds=0.6)
    slow = replace(SERVER, latency=Latency(seconds=0.05))
    options: dict[str, Any] = {
        "settings": settings,
        "server": slow,
        "live_options": {"max_parallel_requests": 4},
    }
    async with live_gateway(tmp_path, database, **options) as gateway:
        hanging = range(5)
        file = await gateway.upload(lines_with(105, hanging, stall=True))
        batch = await gateway.create(file.id)
        requests = gateway.simulator.requests

        async def the_others_are_through() -> bool:
            return await gateway.database.rows("SELECT count(*) FROM line_results") == [(100,)]

        await gateway.eventually(the_others_are_through)
        await gateway.client().batches.cancel(batch.id)
        ended = await gateway.ended(batch.id)
        assert await each_once(gateway, ended, 105) == {"batch_cancelled": 5}
        entries = requests.select(account="live")
        last = max(each.answered or 0.0 for each in entries if each.status == 200)
        texts = {f"Say {number}." for number in hanging}
        before = [each.text for each in entries if each.text in texts and each.received < last]
        assert max(Counter(before).values()) <= 2


async def test_an_owner_goes_on_while_another_one_hangs(tmp_path: Path, database: Database) -> None:
    settings = replace(SETTINGS, live_timeout_seconds=15, lease_seconds=30)
    options: dict[str, Any] = {"settings": settings, "live_options": {"max_parallel_requests": 4}}
    async with live_gateway(tmp_path, database, **options) as gateway:
        gateway.simulator.add_fault(Fault(account="live", match="never", stall=True, times=None))
        mine = b"".join(asking(number, text="never") for number in range(3))
        await gateway.create((await gateway.upload(mine)).id)
        await gateway.simulator.until(lambda: len(gateway.simulator.requests) == 3)
        file = await gateway.upload(b"".join(map(asking, range(20))), key="bob")
        ended = await gateway.ended((await gateway.create(file.id, key="bob")).id, key="bob")
        assert (ended.status, ended.request_counts and ended.request_counts.completed) == ("completed", 20)
