"""The disk space of uploads is bounded, however slow the deployments are that they are sent on to."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import anyio
import httpx2
import openai
import pytest
from msgspec.structs import replace

from litebatch_asgi.errors import FileTooLarge, RateLimited
from litebatch_asgi.models import Principal
from litebatch_asgi.simulator import Fault
from tests.database import Database
from tests.harness import QUICK, InProcess, lines, running_gateway
from tests.http.forms import CONTENT_TYPE, field, file, form

SIZE = 1_200_000
SETTINGS = replace(QUICK, place_budget_seconds=0.05, max_spool_bytes=int(2.5 * SIZE))


def content(number: int) -> bytes:
    """A batch input of about `SIZE` bytes."""
    return lines(1, user=f"{number}" * SIZE)


def held_bytes(gateway: InProcess) -> int:
    return gateway.litebatch.spooler.held_bytes


async def nothing_held(gateway: InProcess) -> bool:
    return not held_bytes(gateway)


async def are_received(gateway: InProcess, count: int) -> bool:
    return held_bytes(gateway) >= count * len(content(0))


async def test_slow_background_sends_give_way_to_new_uploads(tmp_path: Path, database: Database) -> None:
    async with running_gateway(tmp_path, settings=SETTINGS, database=database) as gateway:
        stalled = gateway.simulator.add_fault(
            Fault(account="west", call="upload_file", when="early", stall=True, times=None)
        )
        contents = [content(number) for number in range(4)]
        files = [await gateway.upload(each) for each in contents]
        assert held_bytes(gateway) <= SETTINGS.max_spool_bytes
        gateway.simulator.remove_fault(stalled)

        async def is_everywhere() -> bool:
            ready = await database.rows("SELECT count(*) FROM file_copies WHERE state = 'ready'")
            twins = len(gateway.provider_files("west")) - len(files)  # of one that was given up at its end
            return ready == [(2 * len(files),)] and not twins

        await gateway.eventually(is_everywhere)
        await gateway.eventually(lambda: nothing_held(gateway))
        gateway.simulator.add_fault(Fault(account="east", status=503, times=None))
        for uploaded, sent in zip(files, contents, strict=True):
            assert await gateway.content(uploaded.id) == sent


async def test_the_oldest_gives_way_first(tmp_path: Path, database: Database) -> None:
    settings = replace(SETTINGS, adopt_grace_seconds=60)
    async with running_gateway(tmp_path, settings=settings, database=database) as gateway:
        stalled = gateway.simulator.add_fault(
            Fault(account="west", call="upload_file", when="before", stall=True, times=None)
        )
        files = [await gateway.upload(content(number)) for number in range(3)]
        gateway.simulator.remove_fault(stalled)

        async def younger_are_there() -> bool:
            return len(gateway.provider_files("west")) >= 2

        await gateway.eventually(younger_are_there)
        names = {each.filename.partition("-lb")[2][:26] for each in gateway.provider_files("west")}
        assert {each.id.removeprefix("file-lb") for each in files[1:]} <= names


async def test_what_no_deployment_has_taken_yet_gives_way_to_nobody(
    tmp_path: Path, database: Database
) -> None:
    async with running_gateway(tmp_path, settings=SETTINGS, database=database) as gateway:
        stalled = gateway.simulator.add_fault(Fault(call="upload_file", when="early", stall=True, times=None))
        sent: dict[str, bytes] = {}

        async def upload(number: int) -> None:
            made = await gateway.upload(content(number))
            sent[made.id] = content(number)

        async with anyio.create_task_group() as group:
            group.start_soon(upload, 0)
            group.start_soon(upload, 1)
            await gateway.eventually(lambda: are_received(gateway, 2))
            with pytest.raises(openai.RateLimitError) as caught:
                await gateway.upload(content(2))
            assert caught.value.code == "spool_full"
            assert caught.value.response.headers["retry-after"] == "10"
            with pytest.raises(RateLimited, match="max_spool_bytes"):
                await gateway.litebatch.files.create(
                    Principal(owner="alice"), content(2), filename="in.jsonl", purpose="batch"
                )
            assert held_bytes(gateway) >= 2 * SIZE
            gateway.simulator.remove_fault(stalled)
        for file_id, whole in sent.items():
            assert await gateway.content(file_id) == whole
        await gateway.upload(content(2))


@pytest.mark.parametrize("is_announced", [True, False])
async def test_what_can_never_fit_is_too_large(tmp_path: Path, is_announced: bool) -> None:
    settings = replace(QUICK, max_spool_bytes=SIZE)
    body = form(field("purpose", "batch"), file(content(0)))

    async def pieces() -> AsyncGenerator[bytes]:
        yield body

    async with running_gateway(tmp_path, settings=settings) as gateway:
        async with gateway.http() as http:
            answer: httpx2.Response = await http.post(
                "/files",
                content=body if is_announced else pieces(),
                headers={"content-type": CONTENT_TYPE},
            )
        assert answer.status_code == 413
        assert answer.json()["error"]["code"] == "file_too_large"
        with pytest.raises(FileTooLarge):
            await gateway.litebatch.files.create(
                Principal(owner="alice"), content(0), filename="in.jsonl", purpose="batch"
            )
        assert not held_bytes(gateway)
