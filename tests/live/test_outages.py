"""Servers that are away or refuse everything, and a database that is: all waits, and no line fails for it."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from msgspec.structs import replace

from litebatch_asgi.live import LiveRunner
from litebatch_asgi.simulator import Downtime, Fault, Latency
from tests.database import Database, SQLiteDatabase
from tests.harness import MODEL, InProcess, lines, rows_of
from tests.live.stage import SERVER, SETTINGS, each_once, live_gateway, mute, nothing_is_left, sent

SLOW = replace(SERVER, latency=Latency(seconds=0.05))
HOWS = ("refused", "cut_at_accept", "cut_at_request")


async def some_were_answered(gateway: InProcess) -> None:
    def answered() -> bool:
        return gateway.simulator.requests.totals(account="live").statuses.get("200", 0) > 5

    await gateway.simulator.until(answered)


@pytest.mark.parametrize("how", HOWS)
async def test_a_dead_server_fails_no_line(
    tmp_path: Path, database: Database, runners: list[LiveRunner], how: str
) -> None:
    settings = replace(SETTINGS, live_attempts=2)
    async with live_gateway(tmp_path, database, settings=settings, server=SLOW) as gateway:
        batch = await gateway.create((await gateway.upload(lines(200))).id)
        await some_were_answered(gateway)
        load = runners[0].stations["live"].load
        await gateway.simulator.go_down(Downtime(how=how), "live")  # type: ignore[arg-type]

        async def is_paused() -> bool:
            return load.is_down and load.limit == 1

        await gateway.eventually(is_paused)
        before = await gateway.client().batches.retrieve(batch.id)
        assert before.status == "in_progress"
        await gateway.simulator.come_up()
        ended = await gateway.ended(batch.id)
        assert await each_once(gateway, ended, 200) == {}
        await nothing_is_left(gateway, runners)


@pytest.mark.parametrize("status", [401, 402, 403, 404, 503, 522])
async def test_who_refuses_everything_is_asked_one_by_one(
    tmp_path: Path, database: Database, runners: list[LiveRunner], status: int
) -> None:
    async with live_gateway(tmp_path, database) as gateway:
        fault = gateway.simulator.add_fault(Fault(account="live", status=status, times=None))
        batch = await gateway.create((await gateway.upload(lines(60))).id)
        load = runners[0].stations["live"].load

        async def is_paused() -> bool:
            return load.is_down

        await gateway.eventually(is_paused)
        assert load.limit == 1
        refused = gateway.simulator.requests.totals(account="live").requests
        assert refused <= 12
        gateway.simulator.remove_fault(fault)
        ended = await gateway.ended(batch.id)
        assert await each_once(gateway, ended, 60) == {}
        await nothing_is_left(gateway, runners)


@pytest.mark.parametrize("status", [429, 529])
async def test_no_line_fails_at_a_server_that_has_too_much_to_do(
    tmp_path: Path, database: Database, runners: list[LiveRunner], status: int
) -> None:
    async with live_gateway(tmp_path, database) as gateway:
        fault = gateway.simulator.add_fault(Fault(account="live", status=status, times=None))
        batch = await gateway.create((await gateway.upload(lines(60))).id)
        load = runners[0].stations["live"].load

        async def is_paused() -> bool:
            return load.is_refusing

        await gateway.eventually(is_paused)
        gateway.simulator.remove_fault(fault)
        ended = await gateway.ended(batch.id)
        assert await each_once(gateway, ended, 60) == {}
        await nothing_is_left(gateway, runners)


async def test_a_server_that_asks_for_time_gets_it(tmp_path: Path, database: Database) -> None:
    async with live_gateway(tmp_path, database) as gateway:
        storm = Fault(account="live", status=429, times=4, headers={"retry-after": "1"})
        gateway.simulator.add_fault(storm)
        ended = await gateway.ended((await gateway.create((await gateway.upload(lines(60))).id)).id)
        assert await each_once(gateway, ended, 60) == {}
        entries = gateway.simulator.requests.select(account="live")
        first = min(each.answered or 0.0 for each in entries if each.status == 429)
        assert len([each for each in entries if each.received < first + 0.95]) <= 4


async def test_nothing_is_sent_without_a_database_and_nothing_again(
    tmp_path: Path, database: Database, runners: list[LiveRunner]
) -> None:
    async with live_gateway(tmp_path, database, server=SLOW) as gateway:
        batch = await gateway.create((await gateway.upload(lines(300))).id)
        await some_were_answered(gateway)
        station = runners[0].stations["live"]

        async def is_full() -> bool:
            return station.places.taken >= station.load.limit and not station.load.in_flight

        async with mute(database):
            await gateway.eventually(is_full)
            total = gateway.simulator.requests.totals(account="live").requests
            assert station.places.taken <= 32
            assert total < 300
            await gateway.eventually(is_full)
            assert gateway.simulator.requests.totals(account="live").requests == total
        ended = await gateway.ended(batch.id)
        assert await each_once(gateway, ended, 300) == {}
        assert sent(gateway) == {1: 300}
        await nothing_is_left(gateway, runners)


def embeddings(count: int) -> bytes:
    """So many lines of another endpoint."""
    rows = (
        {
            "custom_id": f"request-{number}",
            "method": "POST",
            "url": "/v1/embeddings",
            "body": {"model": MODEL, "input": f"Say {number}."},
        }
        for number in range(count)
    )
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


async def path_is_lacking(folder: Path, database: Database | None = None) -> list[str]:
    """A server has no such path as some requests are for, and others succeed; what is wrong then."""
    database = database or SQLiteDatabase.migrated(folder)
    lacking = Fault(
        account="live", match="/v1/embeddings", status=404, body={"detail": "Not Found"}, times=None
    )
    async with live_gateway(folder, database, server=SLOW) as gateway:
        gateway.simulator.add_fault(lacking)
        chats = await gateway.create((await gateway.upload(lines(300))).id)
        await some_were_answered(gateway)
        file = await gateway.upload(embeddings(200))
        others = await gateway.create(file.id, endpoint="/v1/embeddings")

        async def are_through() -> bool:
            seen = await gateway.client().batches.retrieve(others.id)
            return bool(refused_twice(gateway)) or seen.status == "completed"

        await gateway.eventually(are_through)
        if again := refused_twice(gateway):
            return [f"{again} requests were sent again to a server that does not have their path"]
        others = await gateway.ended(others.id)
        assert (others.status, others.request_counts.failed) == ("completed", 200)  # type: ignore[union-attr]
        rows = rows_of((await gateway.results(others))[1])
        assert {row["error"]["code"] for row in rows} == {"request_refused"}
        ended = await gateway.ended(chats.id)
        assert await each_once(gateway, ended, 300) == {}
    return []


def refused_twice(gateway: InProcess) -> int:
    """How many requests the server was sent again although it has no such path."""
    asked = gateway.simulator.requests.select(account="live")
    return sum(count > 1 for count in Counter(each.sha256 for each in asked if each.status == 404).values())


async def test_an_endpoint_that_a_server_lacks_holds_up_no_other(
    tmp_path: Path, database: Database, runners: list[LiveRunner]
) -> None:
    """Its requests fail, once each as soon as it is known that others succeed; the server is not down."""
    assert await path_is_lacking(tmp_path, database) == []
    assert not runners[0].stations["live"].load.is_down
