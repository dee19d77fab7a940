"""Requests that let their server die each time run with nothing beside them, whichever process has them."""

from __future__ import annotations

from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from litebatch_asgi.failpoints import InjectedFault, calling
from litebatch_asgi.live import LiveRunner
from litebatch_asgi.simulator import Latency, Simulator
from litebatch_asgi.simulator.request_journal import RequestEntry
from tests.database import Database
from tests.faults.stage import gateway_on
from tests.harness import InProcess, live_deployments, rows_of
from tests.live.stage import SERVER, SETTINGS, each_once, lines_with, live_gateway, nothing_is_left

COUNT = 40
KILLS: dict[str, Any] = {"down": {"seconds": 0.05, "how": "cut_at_request"}}
ONCE_MORE = replace(SETTINGS, live_timeout_seconds=2, live_attempts=2)
SLOW = replace(SERVER, latency=Latency(seconds=0.05))
MOST_BATCHES = 10


async def test_of_two_processes_one_has_the_server(
    tmp_path: Path, database: Database, runners: list[LiveRunner]
) -> None:
    """Each has a request that kills it: what they are sent alone is beside no other, of either process."""
    simulator = Simulator(settings=SLOW)
    async with AsyncExitStack() as stack:
        provider = await stack.enter_async_context(simulator.running())
        served = live_deployments(provider, ["live"])
        gateways: list[InProcess] = []
        for number in range(2):
            folder = tmp_path / str(number)
            gateway = gateway_on(
                simulator, provider, folder, settings=ONCE_MORE, database=database, served=served
            )
            gateways.append(await stack.enter_async_context(gateway))
        batches = [
            await gateway.create((await gateway.upload(lines_with(COUNT, {number}, **KILLS))).id)
            for number, gateway in enumerate(gateways)
        ]
        for batch in batches:
            ended = await gateways[0].ended(batch.id)
            assert await each_once_of(gateways[0], ended.id) == {"connection_error": 1}
        await nothing_is_left(gateways[0], runners)
        assert await database.rows("SELECT 1 FROM line_alone") == []
    entries = simulator.requests.select(account="live")
    for number in range(2):
        killing = [each for each in entries if each.text == f"Say {number}." and each.status == "cut"]
        (last,) = killing[-1:]
        assert [each.text for each in beside(last, entries)] == []


async def each_once_of(gateway: InProcess, batch_id: str) -> dict[str, int]:
    """As `each_once`, of one batch of several."""
    ended = await gateway.client().batches.retrieve(batch_id)
    output, error = await gateway.results(ended)
    rows = [*rows_of(output), *rows_of(error)]
    assert sorted(row["custom_id"] for row in rows) == sorted(f"request-{each}" for each in range(COUNT))
    return Counter(row["error"]["code"] for row in rows_of(error))


def beside(one: RequestEntry, entries: list[RequestEntry]) -> list[RequestEntry]:
    """The requests that were under way while one was."""
    assert one.answered is not None
    return [
        each
        for each in entries
        if each.seq != one.seq
        and each.received < one.answered
        and (each.answered is None or each.answered > one.received)
    ]


async def test_the_turn_is_not_lost_with_an_error(
    tmp_path: Path, database: Database, runners: list[LiveRunner], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has just been given the server, and fails, has it or gives it back."""
    monkeypatch.setattr("litebatch_asgi.live.alone.LONGEST_PAUSE_SECONDS", 1.0)
    is_struck = False

    def strike() -> None:
        nonlocal is_struck
        is_struck = True
        raise InjectedFault("alone")

    with calling("live.alone", strike):
        async with live_gateway(tmp_path, database, settings=ONCE_MORE, server=SLOW) as gateway:
            for _ in range(MOST_BATCHES):
                file = await gateway.upload(lines_with(COUNT, {3, 9}, **KILLS))
                ended = await gateway.ended((await gateway.create(file.id)).id)
                assert ended.status == "completed"
                assert ended.request_counts is not None
                assert (ended.request_counts.completed, ended.request_counts.failed) == (COUNT - 2, 2)
                if is_struck:
                    break
            await nothing_is_left(gateway, runners)
            assert await gateway.database.rows("SELECT 1 FROM line_alone") == []
    assert is_struck


async def test_who_runs_alone_on_a_server_that_is_down_is_not_to_blame(
    tmp_path: Path, database: Database, runners: list[LiveRunner]
) -> None:
    """Something before it, such as a proxy, takes connections and cuts them until it is back."""
    async with live_gateway(tmp_path, database, settings=ONCE_MORE, server=SLOW) as gateway:
        lasting = {"down": {"seconds": 4, "how": "cut_at_request"}}
        file = await gateway.upload(lines_with(COUNT, {3}, **lasting))
        ended = await gateway.ended((await gateway.create(file.id)).id)
        assert await each_once(gateway, ended, COUNT) == {"connection_error": 1}
        await nothing_is_left(gateway, runners)
