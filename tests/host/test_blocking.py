"""The host's event loop is never held: nothing on it waits for a disk, a lock or a socket."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx2
import pytest
from blockbuster import blockbuster_ctx
from starlette.applications import Starlette
from starlette.routing import Mount

from litebatch_asgi.server.listen import address_of, listen, serving
from litebatch_asgi.simulator import SimulatorSettings
from tests.harness import ENDPOINT, MODEL, ids_of
from tests.host.hosting import ALICE, Provider, create, ended, litebatch_in, provider, upload

LINES = 8_000
LINE_BYTES = 4_000
SHORT_ANSWERS = SimulatorSettings(
    validating_seconds=0.01, running_seconds=0.01, finalizing_seconds=0.01, answer_characters=20
)


@pytest.fixture
def elsewhere() -> Generator[Provider]:
    with provider(SHORT_ANSWERS) as running:
        yield running


@contextmanager
def watched() -> Generator[None]:
    """What blocks the event loop in code of ours raises there."""
    ours = ["litebatch_asgi", "litebatch_sql", "litebatch_sqlite"]
    with blockbuster_ctx(ours, excluded_modules=["litebatch_asgi.simulator"]):
        yield


def large_file(path: Path) -> Path:
    """About 32 MB."""
    filling = "x" * (LINE_BYTES - 160)
    with path.open("w") as file:
        for number in range(LINES):
            body = f'{{"model": "{MODEL}", "messages": [{{"role": "user", "content": "{filling}"}}]}}'
            head = f'{{"custom_id": "request-{number}", "method": "POST", "url": "{ENDPOINT}"'
            file.write(f'{head}, "body": {body}}}\n')
    return path


def post(address: str, path: Path) -> str:
    """Upload over HTTP, from a thread; the id."""
    with httpx2.Client(base_url=address, headers={"authorization": "Bearer alice"}, timeout=50) as http:
        with path.open("rb") as file:
            answer = http.post("/v1/files", data={"purpose": "batch"}, files={"file": ("in.jsonl", file)})
        assert answer.status_code == 200, answer.text
        file_id: str = answer.json()["id"]
        return file_id


async def in_thread(work: Callable[[], str]) -> str:
    """What `work` returns, from a thread that is nobody's pool's."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[str] = loop.create_future()

    def run() -> None:
        try:
            loop.call_soon_threadsafe(future.set_result, work())
        except Exception as error:
            loop.call_soon_threadsafe(future.set_exception, error)

    threading.Thread(target=run).start()
    return await future


async def test_while_a_large_file_is_received_checked_sent_and_settled(
    tmp_path: Path, elsewhere: Provider, caplog: pytest.LogCaptureFixture
) -> None:
    path = large_file(tmp_path / "in.jsonl")
    litebatch = litebatch_in(tmp_path, elsewhere.address, provider_timeout_seconds=30, lease_seconds=60)
    app = Starlette(routes=[Mount("/v1", litebatch.app)])
    listener = listen("127.0.0.1", 0)
    with watched():
        async with litebatch.lifespan(app), serving(app, listener):
            file_id = await in_thread(partial(post, address_of(listener), path))
            file = await litebatch.files.retrieve(ALICE, file_id)
            assert (file.lines, file.bytes) == (LINES, path.stat().st_size)
            batch = await ended(litebatch, await create(litebatch, file))
            assert (batch.status, batch.counts.completed) == ("completed", LINES)
            assert batch.output_file_id is not None
            output = [block async for block in litebatch.files.content(ALICE, batch.output_file_id)]
            assert len(ids_of(b"".join(output))) == LINES
            size = 0
            async for block in litebatch.files.content(ALICE, file_id):
                size += len(block)
            assert size == file.bytes
    assert "BlockingError" not in caplog.text


async def test_while_content_is_read_in_process(
    tmp_path: Path, elsewhere: Provider, caplog: pytest.LogCaptureFixture
) -> None:
    path = large_file(tmp_path / "in.jsonl")
    litebatch = litebatch_in(tmp_path, elsewhere.address, provider_timeout_seconds=30)
    opened = path.open("rb")
    with watched():
        async with litebatch.lifespan():
            for content in (path, opened):
                file = await upload(litebatch, content)
                assert file.lines == LINES
                await litebatch.files.delete(ALICE, file.id)
    opened.close()
    assert "BlockingError" not in caplog.text
