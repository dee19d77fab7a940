"""Batches all of whose requests are refused hold up no other owner's at their deployment."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from msgspec.structs import replace
from openai import ConflictError

from litebatch_asgi.live import LiveRunner
from litebatch_asgi.simulator import Fault
from tests.database import Database
from tests.harness import MODEL, InProcess, lines, rows_of
from tests.live.stage import SERVER, live_gateway, nothing_is_left
from tests.live.test_outages import embeddings

BAD, GOOD = "bad", "good"
WILDCARD = {"model_name": "any/*", "model": "hosted_vllm/*"}


async def is_refused(gateway: InProcess, runners: list[LiveRunner]) -> None:
    """Wait until the server counts as one that takes nothing."""
    load = runners[0].stations["live"].load

    async def takes_nothing() -> bool:
        return load.is_down or load.is_refusing

    await gateway.eventually(takes_nothing)


@pytest.mark.parametrize("who", [GOOD, BAD])
@pytest.mark.parametrize("status", [403, 404, 429, 503])
async def test_who_comes_later_is_served_all_the_same(
    tmp_path: Path, database: Database, runners: list[LiveRunner], status: int, who: str
) -> None:
    """Nobody had succeeded before: the server might have been away. So it is with another batch of theirs."""
    async with live_gateway(tmp_path, database) as gateway:
        fault = Fault(
            account="live", match="/v1/embeddings", status=status, body={"detail": "No"}, times=None
        )
        gateway.simulator.add_fault(fault)
        file = await gateway.upload(embeddings(30), key=BAD)
        bad = await gateway.create(file.id, endpoint="/v1/embeddings", key=BAD)
        await is_refused(gateway, runners)
        good = await gateway.create((await gateway.upload(lines(30), key=who)).id, key=who)
        ended = await gateway.ended(good.id, key=who)
        assert (ended.status, ended.request_counts.completed) == ("completed", 30)  # type: ignore[union-attr]
        with suppress(ConflictError):  # it has failed by now
            await gateway.client(BAD).batches.cancel(bad.id)
        await gateway.ended(bad.id, key=BAD)
        await nothing_is_left(gateway, runners)


@pytest.mark.parametrize("status", [403, 404])
async def test_a_model_that_the_client_has_made_up_fails_its_own_requests(
    tmp_path: Path, database: Database, runners: list[LiveRunner], status: int
) -> None:
    told = {"error": {"message": "The model `any/made-up` does not exist.", "code": status}}
    server = replace(SERVER, models=(f"any/{MODEL}",))
    async with live_gateway(tmp_path, database, server=server, live_options=WILDCARD) as gateway:
        gateway.simulator.add_fault(
            Fault(account="live", model="any/made-up", status=status, body=told, times=None)
        )
        made_up, right = (
            lines(20).replace(f'"{MODEL}"'.encode(), f'"any/{name}"'.encode()) for name in ("made-up", MODEL)
        )
        bad = await gateway.create((await gateway.upload(made_up, key=BAD)).id, key=BAD)
        good = await gateway.create((await gateway.upload(right, key=GOOD)).id, key=GOOD)
        assert (await gateway.ended(good.id, key=GOOD)).request_counts.completed == 20  # type: ignore[union-attr]
        ended = await gateway.ended(bad.id, key=BAD)
        assert (ended.status, ended.request_counts.failed) == ("completed", 20)  # type: ignore[union-attr]
        rows = rows_of((await gateway.results(ended, key=BAD))[1])
        assert {row["response"]["status_code"] for row in rows} == {status}
        assert rows[0]["response"]["body"] == told
        await nothing_is_left(gateway, runners)
