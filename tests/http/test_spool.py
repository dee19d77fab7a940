"""Spools: what goes in comes out, for any number of readers, and nothing stays on the disk."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

import anyio
import anyio.from_thread
import anyio.lowlevel
import anyio.to_thread
import pytest

from litebatch_asgi.errors import Unavailable
from litebatch_asgi.spool import BLOCK_BYTES, BUFFER_BYTES, Spool, Spooler
from tests.http.open_files import descriptors_in, open_in


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2, thread_name_prefix="spool") as executor:
        yield executor


@pytest.fixture
def spooler(tmp_path: Path, executor: ThreadPoolExecutor) -> Spooler:
    return Spooler(tmp_path, executor)


def pattern(size: int) -> bytes:
    """Bytes in which no block looks like its neighbours."""
    return (bytes(range(251)) * (size // 251 + 1))[:size]


async def filled(spooler: Spooler, content: bytes, piece: int = 100_000) -> Spool:
    spool = spooler.new()
    for start in range(0, len(content), piece):
        await spool.write(content[start : start + piece])
    await spool.finish()
    return spool


async def read(spool: Spool, size: int = BLOCK_BYTES) -> bytes:
    return b"".join([block async for block in spool.blocks(size)])


def seen_in(folder: Path) -> list[str]:
    """The names in a folder."""
    return [path.name for path in folder.iterdir()]


@pytest.mark.parametrize("size", [0, 1, BLOCK_BYTES, BUFFER_BYTES - 1, BUFFER_BYTES, 3 * BUFFER_BYTES + 17])
@pytest.mark.parametrize("piece", [65_536, 5 * BUFFER_BYTES])
async def test_what_is_written_is_read(spooler: Spooler, size: int, piece: int) -> None:
    content = pattern(size)
    async with await filled(spooler, content, piece) as spool:
        assert spool.size == size
        assert await read(spool) == content
        assert await read(spool) == content


async def test_writes_may_be_of_any_kind_and_size(spooler: Spooler) -> None:
    async with spooler.new() as spool:
        await spool.write(b"")
        await spool.write(b"a")
        await spool.write(bytearray(b"bc"))
        await spool.write(memoryview(b"xdefx")[1:4])
        assert spool.size == 6
        await spool.finish()
        assert await read(spool) == b"abcdef"


async def test_the_caller_may_reuse_what_it_wrote(spooler: Spooler) -> None:
    async with spooler.new() as spool:
        buffer = bytearray(b"first")
        await spool.write(buffer)
        buffer[:] = b"other"
        await spool.finish()
        assert await read(spool) == b"first"


async def test_any_range_can_be_read_in_place(spooler: Spooler) -> None:
    content = pattern(BUFFER_BYTES + 5)
    async with await filled(spooler, content) as spool:
        for start, end in ((0, 0), (0, 1), (BUFFER_BYTES - 3, BUFFER_BYTES + 5), (0, len(content))):
            assert await anyio.to_thread.run_sync(spool.read, start, end) == content[start:end]


async def test_what_the_system_has_no_longer_in_memory_is_read_from_the_disk(
    spooler: Spooler, tmp_path: Path
) -> None:
    content = pattern(2 * BUFFER_BYTES + 5)
    async with await filled(spooler, content) as spool:
        (descriptor,) = descriptors_in(tmp_path)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        assert await read(spool) == content


@pytest.mark.parametrize("size", [1000, BLOCK_BYTES, BUFFER_BYTES, 2 * BUFFER_BYTES])
async def test_blocks_have_the_size_asked_for(spooler: Spooler, size: int) -> None:
    async with await filled(spooler, pattern(2 * BUFFER_BYTES + 5)) as spool:
        *blocks, last = [len(block) async for block in spool.blocks(size)]
        assert set(blocks) == {size}
        assert 0 < last <= size


async def test_readers_do_not_disturb_each_other(spooler: Spooler) -> None:
    content = pattern(3 * BUFFER_BYTES + 5)
    seen: list[bytes] = []

    async def reader(size: int) -> None:
        seen.append(await read(spool, size))

    async with await filled(spooler, content) as spool, anyio.create_task_group() as group:
        for size in (10_000, BLOCK_BYTES, BUFFER_BYTES):
            group.start_soon(reader, size)
    assert seen == [content] * 3


async def test_scan_feeds_everything_in_order_and_in_the_executor(spooler: Spooler) -> None:
    content = pattern(2 * BUFFER_BYTES + 5)
    seen: list[bytes] = []
    threads: set[str] = set()

    def feed(block: bytes) -> None:
        seen.append(block)
        threads.add(threading.current_thread().name)

    async with await filled(spooler, content) as spool:
        await spool.scan(feed, piece=300_000)
    assert b"".join(seen) == content
    assert {len(block) for block in seen[:-1]} == {300_000}
    assert all(name.startswith("spool") for name in threads)


async def test_what_feeding_raises_ends_the_scan(spooler: Spooler) -> None:
    async with await filled(spooler, pattern(2 * BUFFER_BYTES)) as spool:
        with pytest.raises(ZeroDivisionError):
            await spool.scan(lambda block: len(block) // 0)


async def test_a_scan_is_cancelled_between_slices(spooler: Spooler) -> None:
    fed: list[int] = []
    scope = anyio.CancelScope()
    async with await filled(spooler, pattern(4 * BUFFER_BYTES)) as spool:

        def feed(block: bytes) -> None:
            fed.append(len(block))
            if len(fed) == 1:  # later ones may come when there is no event loop to ask any more
                anyio.from_thread.run_sync(scope.cancel, token=token)

        token = anyio.lowlevel.current_token()
        with scope:
            await spool.scan(feed)
    assert scope.cancelled_caught
    assert fed[0] == BLOCK_BYTES
    assert sum(fed) <= BUFFER_BYTES


async def test_nothing_is_seen_on_the_disk(spooler: Spooler, tmp_path: Path) -> None:
    async with await filled(spooler, pattern(BUFFER_BYTES)):
        assert seen_in(tmp_path) == []
        assert len(open_in(tmp_path)) == 1
    assert open_in(tmp_path) == []


async def test_the_last_share_closes(spooler: Spooler, tmp_path: Path) -> None:
    content = pattern(BUFFER_BYTES)
    async with await filled(spooler, content) as spool:
        share = spool.share()
    assert await read(share) == content
    await share.aclose()
    assert open_in(tmp_path) == []
    with pytest.raises(ValueError, match="closed"):
        await read(share)


async def test_closing_while_cancelled_closes(
    spooler: Spooler, executor: ThreadPoolExecutor, tmp_path: Path
) -> None:
    with anyio.CancelScope() as scope:
        async with await filled(spooler, pattern(BUFFER_BYTES)):
            scope.cancel()
            await anyio.lowlevel.checkpoint()
    executor.shutdown()
    assert open_in(tmp_path) == []


async def test_a_reader_that_is_still_in_its_thread_keeps_the_file(
    spooler: Spooler, executor: ThreadPoolExecutor, tmp_path: Path
) -> None:
    """Closed under a running call, its descriptor could by then be another file's."""
    begun, go_on = threading.Event(), threading.Event()
    read_after: list[bytes] = []

    def feed(block: bytes) -> None:
        begun.set()
        assert go_on.wait(10)
        read_after.append(block)

    content = pattern(BUFFER_BYTES)
    async with await filled(spooler, content) as spool:
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as group:
                group.start_soon(spool.scan, feed)
                await anyio.to_thread.run_sync(begun.wait, 10)
                scope.cancel()
    go_on.set()
    executor.shutdown()
    assert read_after == [content[:BLOCK_BYTES]]
    assert open_in(tmp_path) == []


async def test_a_spool_that_was_never_written_to_makes_no_file(tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as executor:
        async with Spooler(tmp_path / "missing", executor).new() as spool:
            await spool.finish()
            assert await read(spool) == b""


async def test_a_disk_that_does_not_take_it_is_unavailable(tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as executor:
        async with Spooler(tmp_path / "missing", executor).new() as spool:
            await spool.write(bytes(2 * BUFFER_BYTES))
            with pytest.raises(Unavailable) as caught:
                await spool.write(bytes(BUFFER_BYTES))
    assert isinstance(caught.value.__cause__, FileNotFoundError)
    assert "missing" not in caught.value.message


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is always full")
async def test_a_full_disk_shows_at_the_latest_when_finishing(
    spooler: Spooler, monkeypatch: pytest.MonkeyPatch
) -> None:
    def always_full(**_: object) -> IO[bytes]:
        return Path("/dev/full").open("wb", buffering=0)

    monkeypatch.setattr("tempfile.TemporaryFile", always_full)
    async with spooler.new() as spool:
        await spool.write(b"a few bytes")
        with pytest.raises(Unavailable) as caught:
            await spool.finish()
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.__cause__.errno == errno.ENOSPC
