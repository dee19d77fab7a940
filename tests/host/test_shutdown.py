"""Leaving the lifespan while something is under way: soon, clean, and nothing is lost by it."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Awaitable, Generator
from pathlib import Path
from typing import Any

import anyio
import pytest

from litebatch_asgi import File, LiteBatch, engine
from litebatch_asgi.errors import RequestError, StorageUnavailable, Unavailable
from litebatch_asgi.testing import MemoryStorage
from tests.harness import by_key, deployments, ids_of, lines
from tests.host.hosting import (
    ALICE,
    Provider,
    back_to,
    create,
    ended,
    eventually,
    leases,
    litebatch_in,
    provider,
    traces,
    upload,
)
from tests.http.open_files import open_in

SOON_SECONDS = 12.0
"""more than it takes, less than any of the limits that would hide a hang"""


@pytest.fixture
def elsewhere() -> Generator[Provider]:
    with provider() as running:
        yield running


async def outcome_of(work: Awaitable[object]) -> object:
    """What came of it, be it an error."""
    try:
        return await work
    except RequestError as error:
        return error


async def test_in_the_middle_of_an_upload(tmp_path: Path, elsewhere: Provider) -> None:
    stalled = elsewhere.add_fault(call="upload_file", stall=True, times=None)
    litebatch = litebatch_in(tmp_path, elsewhere.address, lease_seconds=0.6, provider_timeout_seconds=30)
    before = traces()
    async with litebatch.lifespan():
        uploading = asyncio.create_task(outcome_of(upload(litebatch)))
        await elsewhere.until(lambda: stalled.struck == 2)
        leaving = anyio.current_time()
    assert anyio.current_time() - leaving < SOON_SECONDS
    assert isinstance(await uploading, Unavailable)
    await back_to(before)
    assert open_in(tmp_path / "spool") == []
    assert leases(tmp_path) == []
    elsewhere.remove_fault(stalled)
    async with litebatch.lifespan():
        assert (await litebatch.files.list(ALICE)).items == []

        async def swept() -> bool:
            accounts = elsewhere.simulator.accounts.values()
            return not any(file for account in accounts for file in account.files.values())

        await eventually(swept)
        assert isinstance(await upload(litebatch), File)


async def test_while_an_upload_is_received(tmp_path: Path, elsewhere: Provider) -> None:
    litebatch = litebatch_in(tmp_path, elsewhere.address)
    begun, go_on = anyio.Event(), anyio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield bytes(3 << 20)
        begun.set()
        await go_on.wait()
        yield bytes(3 << 20)

    async with litebatch.lifespan():
        uploading = asyncio.create_task(outcome_of(upload(litebatch, slow())))
        await begun.wait()
    go_on.set()
    assert isinstance(await uploading, Unavailable)
    assert open_in(tmp_path / "spool") == []


async def test_while_a_batch_is_placed(tmp_path: Path, elsewhere: Provider) -> None:
    litebatch = litebatch_in(
        tmp_path, elsewhere.address, provider_timeout_seconds=30, adopt_grace_seconds=0.2
    )
    before = traces()
    async with litebatch.lifespan():
        file = await upload(litebatch)
        stalled = elsewhere.add_fault(call="create_batch", stall=True)
        creating = asyncio.create_task(outcome_of(create(litebatch, file)))
        await elsewhere.until(lambda: stalled.struck == 1)
        leaving = anyio.current_time()
    assert anyio.current_time() - leaving < SOON_SECONDS
    made: Any = await creating
    assert made.status == "validating"
    await back_to(before)
    assert leases(tmp_path) == []
    elsewhere.remove_fault(stalled)
    async with litebatch.lifespan():
        assert (await ended(litebatch, made)).status == "completed"
        assert len((await litebatch.batches.list(ALICE)).items) == 1


async def test_while_results_are_settled(tmp_path: Path, elsewhere: Provider) -> None:
    litebatch = litebatch_in(tmp_path, elsewhere.address, provider_timeout_seconds=30)
    before = traces()
    stalled = elsewhere.add_fault(call="stream_file", stall=True)
    async with litebatch.lifespan():
        batch = await create(litebatch, await upload(litebatch, lines(50)))
        await elsewhere.until(lambda: stalled.struck == 1)
        leaving = anyio.current_time()
    assert anyio.current_time() - leaving < SOON_SECONDS
    await back_to(before)
    assert leases(tmp_path) == []
    elsewhere.remove_fault(stalled)
    async with litebatch.lifespan():
        batch = await ended(litebatch, batch)
        assert (batch.status, batch.counts.completed) == ("completed", 50)
        assert batch.output_file_id is not None
        output = b"".join([each async for each in litebatch.files.content(ALICE, batch.output_file_id)])
        assert len(ids_of(output)) == 50


async def test_while_content_is_read(tmp_path: Path, elsewhere: Provider) -> None:
    litebatch = litebatch_in(tmp_path, elsewhere.address, provider_timeout_seconds=30)
    async with litebatch.lifespan():
        file = await upload(litebatch)
        stalled = elsewhere.add_fault(call="stream_file", stall=True)
        reading = asyncio.create_task(outcome_of(anext(litebatch.files.content(ALICE, file.id))))
        await elsewhere.until(lambda: stalled.struck == 1)
        leaving = anyio.current_time()
    assert anyio.current_time() - leaving < SOON_SECONDS
    elsewhere.remove_fault(stalled)
    assert isinstance(await reading, (bytes, RequestError))


async def test_services_that_were_kept_say_so_afterwards(tmp_path: Path, elsewhere: Provider) -> None:
    litebatch = litebatch_in(tmp_path, elsewhere.address)
    async with litebatch.lifespan():
        files, batches = litebatch.files, litebatch.batches
        file = await upload(litebatch)
    with pytest.raises(Unavailable):
        await files.create(ALICE, lines(), filename="x", purpose="batch")
    with pytest.raises(Unavailable):
        await batches.create(
            ALICE, input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
        )
    with pytest.raises(StorageUnavailable):
        await files.retrieve(ALICE, file.id)
    assert open_in(tmp_path / "spool") == []


async def test_a_thread_that_a_caller_keeps_waiting_does_not_hold_the_end(
    tmp_path: Path, elsewhere: Provider, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(engine, "CLOSE_SECONDS", 0.2)
    waiting, let_go = threading.Event(), threading.Event()

    class Pipe:
        def read(self, size: int, /) -> bytes:
            waiting.set()
            let_go.wait(20)
            return b""

    litebatch = litebatch_in(tmp_path, elsewhere.address)
    async with litebatch.lifespan():
        uploading = asyncio.create_task(outcome_of(upload(litebatch, Pipe())))
        await anyio.to_thread.run_sync(waiting.wait)
        leaving = anyio.current_time()
    assert anyio.current_time() - leaving < SOON_SECONDS
    assert "file object" in caplog.text
    let_go.set()
    assert isinstance(await uploading, RequestError)
    assert open_in(tmp_path / "spool") == []


class Hanging(MemoryStorage):
    """A storage that never finishes closing."""

    async def close(self) -> None:
        await anyio.sleep_forever()


async def test_a_storage_that_never_closes_does_not_hold_the_end(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(engine, "CLOSE_SECONDS", 0.1)
    before = traces()
    litebatch = LiteBatch(
        deployments=deployments("http://127.0.0.1:9"), storage=Hanging(), authenticator=by_key
    )
    with anyio.fail_after(SOON_SECONDS):
        async with litebatch.lifespan():
            pass
    assert "the storage took more than 0.1 seconds" in caplog.text
    assert traces().threads == before.threads


@pytest.mark.parametrize("times", [1, 2, 5])
async def test_a_host_that_is_impatient_does_not_stop_the_closing(
    tmp_path: Path, elsewhere: Provider, times: int
) -> None:
    litebatch = litebatch_in(tmp_path, elsewhere.address)
    before, running = traces(), anyio.Event()

    async def host() -> None:
        async with litebatch.lifespan():
            running.set()
            await anyio.sleep_forever()

    task = asyncio.create_task(host())
    await running.wait()
    for _ in range(times):
        task.cancel()
        await anyio.lowlevel.checkpoint()
    await asyncio.wait([task])
    assert task.cancelled()

    async def closed() -> bool:
        return traces() == before

    await eventually(closed)
    async with litebatch.lifespan():
        await upload(litebatch)


async def test_a_server_that_stops_hard_leaves_nothing(
    tmp_path: Path, elsewhere: Provider, caplog: pytest.LogCaptureFixture
) -> None:
    """`asyncio.run` cancels whatever is left when its main task ends."""
    caplog.set_level(logging.WARNING)
    before = traces()

    def run() -> None:
        async def main() -> None:
            litebatch = litebatch_in(tmp_path, elsewhere.address)
            kept.append(litebatch.lifespan())
            await kept[0].__aenter__()
            await upload(litebatch)

        asyncio.run(main())

    kept: list[Any] = []
    thread = threading.Thread(target=run)
    thread.start()
    while thread.is_alive():  # noqa: ASYNC110 - a thread
        await anyio.sleep(0.01)
    await back_to(before)
