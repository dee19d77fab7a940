"""The bytes of answers are bounded in each process, and nothing waits for ever for that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from litebatch_asgi.live import LiveRunner, runner
from litebatch_asgi.live.answers import AnswerBudget, AnswerShare
from tests.database import Database
from tests.live.stage import SETTINGS, each_once, lines_with, live_gateway, nothing_is_left

MOST = 100


@given(st.lists(st.lists(st.integers(1, 40), min_size=1, max_size=6), min_size=1, max_size=12))
@settings(max_examples=30)
async def test_every_answer_gets_through_and_one_alone_goes_beyond(answers: list[list[int]]) -> None:
    budget = AnswerBudget(MOST)
    seen: list[int] = []

    async def receive(pieces: list[int]) -> None:
        share = AnswerShare(budget)
        for size in pieces:
            may_go_on = share.add(size)
            seen.append(budget.bytes)
            if not may_go_on:
                await share.room()
            await anyio.lowlevel.checkpoint()
        share.free()
        share.free()

    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            for pieces in answers:
                group.start_soon(receive, pieces)
    assert budget.bytes == 0
    pieces_of_all, longest = sum(max(pieces) for pieces in answers), max(map(sum, answers))
    assert max(seen) <= MOST + longest + pieces_of_all


async def test_who_came_first_goes_on_and_others_wait() -> None:
    budget = AnswerBudget(MOST)
    first, second = AnswerShare(budget), AnswerShare(budget)
    assert first.add(60)
    assert not second.add(60)
    assert first.add(60)
    waited: list[int] = []

    async def wait() -> None:
        await second.room()
        waited.append(budget.bytes)

    async with anyio.create_task_group() as group:
        group.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        assert waited == []
        first.free()
    assert waited == [60]


async def test_long_answers_come_a_few_at_a_time(
    tmp_path: Path, database: Database, runners: list[LiveRunner], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the time for which they wait is no time-out of theirs."""
    size, most = 1_000_000, 2_500_000
    budget, seen = AnswerBudget(most), [0]
    add = budget.add

    def counted(share: AnswerShare, more: int) -> bool:
        may_go_on = add(share, more)
        seen.append(budget.bytes)
        return may_go_on

    monkeypatch.setattr(budget, "add", counted)
    monkeypatch.setattr(runner, "AnswerBudget", lambda: budget)
    patient: Any = replace(SETTINGS, live_timeout_seconds=3, live_attempts=1)
    async with live_gateway(tmp_path, database, settings=patient) as gateway:
        file = await gateway.upload(lines_with(16, range(16), answer_bytes=size))
        ended = await gateway.ended((await gateway.create(file.id)).id)
        assert await each_once(gateway, ended, 16) == {}
        assert 2 * size < max(seen) <= most + size + 16 * 65_536
        await nothing_is_left(gateway, runners)
    assert budget.bytes == 0
