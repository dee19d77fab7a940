"""Whatever a sink of the host does, it hurts itself alone, and only as long as it does it."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import anyio
import pytest
from msgspec.structs import replace

from litebatch_asgi import CallableSink, Event
from litebatch_asgi.errors import Undeliverable
from tests.database import Database
from tests.delivering.recording import Recorder, until_told
from tests.harness import QUICK, running_gateway

RETRYING = replace(QUICK, delivery_retry_seconds=(0.02,))
LAST = "batch.completed"


class _Speechless(Exception):
    def __str__(self) -> str:
        raise RuntimeError("there are no words for it")


class _NoException(BaseException):
    pass


RAISED: dict[str, BaseException] = {
    "a null character": RuntimeError("a\0b"),
    "half a surrogate pair": RuntimeError("a\ud800b"),
    "an error without words": _Speechless(),
    "no exception": _NoException("neither an exception nor a cancellation"),
    "a group with a cancellation": BaseExceptionGroup("several", [asyncio.CancelledError(), ValueError("x")]),
    "an exit": SystemExit(3),
}


@pytest.mark.parametrize("how", RAISED)
async def test_what_is_raised_once_is_a_failure_like_others(
    tmp_path: Path, database: Database, how: str
) -> None:
    fails = iter([True])

    async def fail_once(event: Event) -> None:
        if next(fails, False):
            raise RAISED[how]

    recorder, other = Recorder(first=fail_once), Recorder("other")
    async with running_gateway(
        tmp_path, database=database, settings=RETRYING, sinks=[recorder, other]
    ) as gateway:
        file = await gateway.upload()
        batch = await gateway.ended((await gateway.create(file.id)).id)
        await recorder.until(lambda: LAST in recorder.types(batch.id))
        await other.until(lambda: LAST in other.types(batch.id))
        await until_told(gateway.storage)
        numbers = recorder.numbers(batch.id)
        assert numbers == list(range(1, len(numbers) + 1))


async def test_what_cannot_be_stopped_is_not_begun_again_beside_itself(
    tmp_path: Path, database: Database
) -> None:
    """Its lease has run out, and its event was claimed once more, when it is through."""
    hangs = iter([True])
    under_way = Counter[str]()
    beside: list[str] = []

    async def hang_once(event: Event) -> None:
        under_way[event.id] += 1
        if under_way[event.id] > 1:
            beside.append(event.type)
        if next(hangs, False):
            with anyio.CancelScope(shield=True):
                await anyio.sleep(1.5)
        under_way[event.id] -= 1

    recorder = Recorder(first=hang_once)
    settings = replace(RETRYING, lease_seconds=0.5)
    async with running_gateway(tmp_path, database=database, settings=settings, sinks=[recorder]) as gateway:
        file = await gateway.upload()
        batch = await gateway.ended((await gateway.create(file.id)).id)
        await recorder.until(lambda: LAST in recorder.types(batch.id))
        await until_told(gateway.storage)
    assert beside == []


async def test_errors_are_kept_without_what_moves_a_terminal(tmp_path: Path, database: Database) -> None:
    async def fail(event: Event) -> None:
        raise Undeliverable("no\nsuch\x1b[2J\tthing")

    async with running_gateway(
        tmp_path, database=database, sinks=[CallableSink(fail, name="fails")]
    ) as gateway:
        await gateway.create((await gateway.upload()).id)

        async def is_dead() -> bool:
            return bool(await gateway.storage.outbox.dead(limit=1))

        await gateway.eventually(is_dead)
        [item] = await gateway.storage.outbox.dead(limit=1)
        assert item.delivery.error == "Undeliverable: no such [2J thing"
