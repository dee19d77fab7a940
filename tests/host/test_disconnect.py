"""A client that leaves, or a host that gives a request up, at any moment: nothing is left half done."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Generator
from pathlib import Path
from typing import Any, cast

import anyio
import pytest
from starlette.types import Message

from litebatch_asgi import LiteBatch
from litebatch_asgi.app import open_storage
from litebatch_asgi.storage import Storage
from tests.harness import by_key, deployments, lines
from tests.host.hosting import ALICE, Provider, create, ended, eventually, litebatch_in, provider, upload
from tests.http.forms import CONTENT_TYPE, field, file, form
from tests.http.open_files import open_in


@pytest.fixture
def elsewhere() -> Generator[Provider]:
    with provider() as running:
        yield running


class Interrupting:
    """A storage at whose n-th call in the watched task that task is cancelled, before it or after it."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self.watched: asyncio.Task[Any] | None = None
        self.calls: list[str] = []
        self.at = 0
        self.is_before = True

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._storage, name)
        if not inspect.iscoroutinefunction(method):
            return method

        async def call(*args: Any, **kwargs: Any) -> Any:
            if self.watched is None or asyncio.current_task() is not self.watched:
                return await method(*args, **kwargs)
            self.calls.append(name)
            strikes = len(self.calls) == self.at
            if strikes and self.is_before:
                self.watched.cancel()
            answer = await method(*args, **kwargs)
            if strikes and not self.is_before:
                self.watched.cancel()
            return answer

        return call

    async def interrupt(self, at: int, *, before: bool, work: Callable[[], Awaitable[object]]) -> bool:
        """Do the work, cancelled at that call; whether there was such a call."""
        self.calls, self.at, self.is_before = [], at, before

        async def run() -> None:
            await work()

        self.watched = asyncio.create_task(run())
        await asyncio.wait([self.watched])
        if not self.watched.cancelled():
            self.watched.result()
        return len(self.calls) >= at


def interrupted(folder: Path, address: str) -> tuple[LiteBatch, Interrupting]:
    usual = litebatch_in(folder, address, lease_seconds=0.5)
    storage = Interrupting(open_storage(f"sqlite:///{folder}/litebatch.db"))
    litebatch = LiteBatch(
        deployments=deployments(address),
        storage=cast("Storage", storage),
        authenticator=by_key,
        settings=usual.settings,
    )
    return litebatch, storage


def provider_files(elsewhere: Provider) -> int:
    accounts = elsewhere.simulator.accounts.values()
    return sum(len(account.files) for account in accounts)


async def test_an_upload_given_up_anywhere_is_there_or_swept(tmp_path: Path, elsewhere: Provider) -> None:
    litebatch, storage = interrupted(tmp_path, elsewhere.address)
    stages = 0
    async with litebatch.lifespan():
        for before in (True, False):
            at = 1
            while await storage.interrupt(at, before=before, work=lambda: upload(litebatch)):
                at += 1
                stages += 1
        assert stages >= 4

        async def settled() -> bool:
            listed = (await litebatch.files.list(ALICE)).items
            return provider_files(elsewhere) == 2 * len(listed)

        await eventually(settled)
        for each in (await litebatch.files.list(ALICE)).items:
            assert (await ended(litebatch, await create(litebatch, each))).status == "completed"
        assert open_in(tmp_path / "spool") == []


async def test_a_batch_given_up_anywhere_is_there_once_or_not_at_all(
    tmp_path: Path, elsewhere: Provider
) -> None:
    litebatch, storage = interrupted(tmp_path, elsewhere.address)
    made = 0
    async with litebatch.lifespan():
        given = await upload(litebatch)
        for before in (True, False):
            at = 1
            while await storage.interrupt(at, before=before, work=lambda: create(litebatch, given)):
                at += 1
                made += 1
        batches = (await litebatch.batches.list(ALICE)).items
        assert 2 <= len(batches) <= made + 2
        for each in batches:
            assert (await ended(litebatch, each)).status == "completed"
    jobs = [job for account in elsewhere.simulator.accounts.values() for job in account.batches.values()]
    assert len(jobs) == len(batches)


BODY = form(field("purpose", "batch"), file(lines(2000)))


class Client:
    """One request by ASGI's messages, whose client leaves after some bytes of its body."""

    def __init__(self, body: bytes, leaves_at: int, step: int = 50_000) -> None:
        pieces = [body[at : at + step] for at in range(0, leaves_at, step)]
        self._pieces = [piece[: leaves_at - step * number] for number, piece in enumerate(pieces)]
        self._is_whole = leaves_at >= len(body)
        self.sent: list[Message] = []

    async def receive(self) -> Message:
        await anyio.lowlevel.checkpoint()
        if self._pieces:
            more = len(self._pieces) > 1 or not self._is_whole
            return {"type": "http.request", "body": self._pieces.pop(0), "more_body": more}
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.sent.append(message)
        if self._is_whole:
            raise OSError("the client has gone")

    async def ask(self, litebatch: LiteBatch) -> None:
        headers = [(b"authorization", b"Bearer alice"), (b"content-type", CONTENT_TYPE.encode())]
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/files",
            "root_path": "",
            "query_string": b"",
            "headers": headers,
        }
        try:
            await litebatch.app(scope, self.receive, self.send)
        except OSError:
            assert self._is_whole


@pytest.mark.parametrize("share", [0, 0.001, 0.3, 0.9, 0.99999, 1])
async def test_a_client_that_leaves_while_it_sends(
    tmp_path: Path, elsewhere: Provider, caplog: pytest.LogCaptureFixture, share: float
) -> None:
    litebatch = litebatch_in(tmp_path, elsewhere.address)
    async with litebatch.lifespan():
        client = Client(BODY, int(share * len(BODY)))
        await client.ask(litebatch)
        listed = (await litebatch.files.list(ALICE)).items
        assert open_in(tmp_path / "spool") == []
        assert len(listed) == (1 if share == 1 else 0)
        assert provider_files(elsewhere) == 2 * len(listed)
        assert bool(client.sent) is (share == 1)
    assert [each for each in caplog.records if each.levelname == "ERROR"] == []


@pytest.mark.parametrize("by_host", ["cancel", "scope", "timeout"])
async def test_a_host_that_gives_a_request_up_while_the_provider_is_slow(
    tmp_path: Path, elsewhere: Provider, by_host: str
) -> None:
    stalled = elsewhere.add_fault(call="upload_file", stall=True, times=None)
    litebatch = litebatch_in(tmp_path, elsewhere.address, provider_timeout_seconds=30)
    async with litebatch.lifespan():
        asking = asyncio.create_task(
            given_up(by_host, Client(BODY, len(BODY)).ask(litebatch), elsewhere, stalled)
        )
        await asyncio.wait([asking])
        elsewhere.remove_fault(stalled)

        async def there() -> bool:
            return len((await litebatch.files.list(ALICE)).items) == 1

        await eventually(there)
        (made,) = (await litebatch.files.list(ALICE)).items
        assert (await ended(litebatch, await create(litebatch, made))).status == "completed"
        assert provider_files(elsewhere) >= 2

    assert open_in(tmp_path / "spool") == []


async def given_up(by_host: str, work: Awaitable[None], elsewhere: Provider, stalled: Any) -> None:
    """The work, given up in one of the ways that hosts have once the provider has been asked."""

    async def run() -> None:
        await work

    async def asked() -> None:
        await elsewhere.until(lambda: stalled.struck == 2)

    if by_host == "cancel":
        task = asyncio.create_task(run())
        await asked()
        task.cancel()
        await asyncio.wait([task])
    elif by_host == "scope":
        async with anyio.create_task_group() as group:
            group.start_soon(run)
            await asked()
            group.cancel_scope.cancel()
    else:
        watching = asyncio.create_task(asked())
        async with asyncio.timeout(None) as limit:
            watching.add_done_callback(lambda _: limit.reschedule(0))
            await run()
