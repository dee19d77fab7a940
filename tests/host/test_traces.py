"""What LiteBatch leaves in a host's process, and what it uses of it: nothing."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from litebatch_asgi import LiteBatch
from litebatch_asgi.errors import ConfigError
from tests.harness import by_key, deployments, ids_of, lines
from tests.host.hosting import (
    ALICE,
    Provider,
    back_to,
    create,
    ended,
    leases,
    litebatch_in,
    provider,
    traces,
    upload,
)


@pytest.fixture
def elsewhere() -> Generator[Provider]:
    with provider() as running:
        yield running


async def journey(litebatch: LiteBatch, content: bytes | None = None) -> None:
    batch = await ended(litebatch, await create(litebatch, await upload(litebatch, content)))
    assert batch.output_file_id is not None
    output = b"".join([block async for block in litebatch.files.content(ALICE, batch.output_file_id)])
    assert len(ids_of(output)) == batch.counts.total


@asynccontextmanager
async def leaving_nothing(folder: Path) -> AsyncGenerator[None]:
    """What the block opens is closed at its end."""
    before = traces()
    yield
    await back_to(before)
    assert list((folder / "spool").iterdir()) == []
    assert leases(folder) == []


async def test_after_the_lifespan_nothing_is_left(tmp_path: Path, elsewhere: Provider) -> None:
    litebatch = litebatch_in(tmp_path, elsewhere.address)
    async with leaving_nothing(tmp_path), litebatch.lifespan():
        await journey(litebatch)
        during = traces()
        assert any(each.name.startswith("litebatch") for each in during.threads)
        assert any(each.get_name() == "litebatch" for each in during.tasks)


async def test_it_can_be_entered_again(tmp_path: Path, elsewhere: Provider) -> None:
    litebatch = litebatch_in(tmp_path, elsewhere.address)
    async with leaving_nothing(tmp_path):
        for _ in range(3):
            async with litebatch.lifespan():
                await journey(litebatch)


async def test_the_thread_pools_of_the_host_are_left_alone(tmp_path: Path, elsewhere: Provider) -> None:
    loop = asyncio.get_running_loop()
    litebatch = litebatch_in(tmp_path, elsewhere.address)
    path = tmp_path / "in.jsonl"
    path.write_bytes(lines(2000))
    async with litebatch.lifespan():
        await journey(litebatch)
        await upload(litebatch, path)
        names = {each.name for each in traces().threads}
    assert getattr(loop, "_default_executor", None) is None
    assert not any(name.startswith("AnyIO worker") for name in names)


async def test_neither_logging_nor_signals_are_touched(tmp_path: Path, elsewhere: Provider) -> None:
    def touched() -> tuple[object, ...]:
        root, ours = logging.getLogger(), logging.getLogger("litebatch_asgi")
        handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
        return list(root.handlers), root.level, list(ours.handlers), ours.level, ours.propagate, handlers

    before = touched()
    litebatch = litebatch_in(tmp_path, elsewhere.address)
    async with litebatch.lifespan():
        await journey(litebatch)
        assert touched() == before
    assert touched() == before


LOOK = """
import asyncio, json, logging, os, signal, sys, threading
opened = []
sys.addaudithook(lambda event, args: opened.append([event, str(args[0])]) if event in
    {"socket.__new__", "socket.connect", "subprocess.Popen", "sqlite3.connect", "_thread.start_new_thread"}
    or event == "open" and isinstance(args[1], str) and not args[1].startswith("r") else None)
import litebatch_asgi, litebatch_asgi.authenticators
print(json.dumps({
    "opened": opened,
    "threads": threading.active_count(),
    "extras": sorted({"click", "rich", "yaml", "uvicorn", "fastapi", "aiosqlite"} & set(sys.modules)),
    "handlers": len(logging.getLogger().handlers) + len(logging.getLogger("litebatch_asgi").handlers),
    "signals": signal.getsignal(signal.SIGTERM) is signal.SIG_DFL,
    "loop": asyncio.get_event_loop_policy()._local._loop is None,
}))
"""


def test_importing_does_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-B", "-c", LOOK], capture_output=True, text=True, check=True, timeout=20
    )
    assert json.loads(done.stdout) == {
        "opened": [],
        "threads": 1,
        "extras": [],
        "handlers": 0,
        "signals": True,
        "loop": True,
    }


def test_making_one_opens_nothing(tmp_path: Path) -> None:
    async def make() -> None:
        before = traces()
        litebatch_in(tmp_path, "http://127.0.0.1:9")
        await back_to(before)
        assert not (tmp_path / "litebatch.db").exists()

    asyncio.run(make())


async def test_a_start_that_fails_leaves_nothing_open(tmp_path: Path) -> None:
    before = traces()
    for number in range(2):
        litebatch = litebatch_in(tmp_path / str(number), "http://127.0.0.1:9")
        if number:
            (tmp_path / "1" / "litebatch.db").mkdir()
        else:
            (tmp_path / "0" / "spool").rmdir()
        with pytest.raises(ConfigError):
            async with litebatch.lifespan():
                pass
        assert not litebatch.is_entered
        await back_to(before)


async def test_a_start_that_is_cancelled_leaves_nothing_open(tmp_path: Path) -> None:
    before = traces()
    for by_host in ("scope", "task"):
        litebatch = litebatch_in(tmp_path / by_host, "http://127.0.0.1:9")

        async def enter(litebatch: LiteBatch = litebatch) -> None:
            async with litebatch.lifespan():
                await anyio.sleep_forever()

        if by_host == "scope":
            async with anyio.create_task_group() as group:
                group.start_soon(enter)
                await anyio.lowlevel.checkpoint()
                group.cancel_scope.cancel()
        else:
            task = asyncio.create_task(enter())
            await anyio.lowlevel.checkpoint()
            task.cancel()
            await asyncio.wait([task])
        assert not litebatch.is_entered
        await back_to(before)


async def test_two_in_one_process_do_not_touch_each_other(tmp_path: Path, elsewhere: Provider) -> None:
    one, two = (litebatch_in(tmp_path / name, elsewhere.address) for name in ("one", "two"))
    async with one.lifespan():
        async with two.lifespan():
            file = await upload(one)
            assert (await two.files.list(ALICE)).items == []
            await journey(two)
        assert not two.is_entered
        assert one.is_entered
        assert (await one.files.list(ALICE)).items[0].id == file.id
        await journey(one)


async def test_the_same_in_two_event_loops_one_after_the_other(tmp_path: Path, elsewhere: Provider) -> None:
    litebatch = litebatch_in(tmp_path, elsewhere.address)

    def elsewhere_in_time() -> None:
        async def twice() -> None:
            async with litebatch.lifespan(), litebatch.lifespan():
                await journey(litebatch)
            await asyncio.gather(*(enter() for _ in range(3)))

        async def enter() -> None:
            async with litebatch.lifespan():
                await litebatch.files.list(ALICE)

        asyncio.run(twice())

    for _ in range(2):
        await anyio.to_thread.run_sync(elsewhere_in_time)


def test_a_bad_configuration_says_so_when_it_is_made() -> None:
    with pytest.raises(ConfigError, match="database URL"):
        LiteBatch(deployments=deployments("http://x.example"), storage="nope:///x", authenticator=by_key)
