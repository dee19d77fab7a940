"""The store in a folder: what it has taken lasts, and it never leaves its folder."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from litebatch_asgi.errors import ConfigError, StoreUnavailable
from litebatch_asgi.testing.conformance.content_stores import blocks, read
from litebatch_objects import FolderStore


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[FolderStore]:
    store = FolderStore(tmp_path.as_uri() + "/")
    await store.open()
    yield store
    await store.aclose()


async def test_a_content_has_its_name_only_once_it_is_on_the_disk(
    store: FolderStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bytes are synced, then they are renamed, then the folder is synced; `put` waits for all of it."""
    done: list[str] = []
    sync, rename = os.fsync, Path.rename

    def told_sync(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        is_folder = path == tmp_path
        done.append("fsync folder" if is_folder else f"fsync {path.name}: {os.fstat(descriptor).st_size}")
        sync(descriptor)

    def told_rename(path: Path, target: Any) -> Path:
        done.append(f"rename {path.name} {Path(target).name}")
        return rename(path, target)

    monkeypatch.setattr(os, "fsync", told_sync)
    monkeypatch.setattr(Path, "rename", told_rename)
    await store.put("content", blocks([b"x" * 5000]))
    assert done == [
        "fsync content.part: 5000",
        "rename content.part content",
        "fsync folder",
    ]
    done.clear()
    await store.delete("content")
    assert done == ["fsync folder"]


async def test_a_content_that_is_being_written_cannot_be_read(store: FolderStore, tmp_path: Path) -> None:
    """And nothing of it is left once its writer has failed."""
    seen: list[str] = []

    async def failing() -> AsyncIterator[bytes]:
        yield b"x" * (3 << 20)
        seen.extend(names_in(tmp_path))
        with pytest.raises(StoreUnavailable):
            await read(store, "content")
        raise LookupError

    with pytest.raises(LookupError):
        await store.put("content", failing())
    assert seen == ["content.part"]
    assert names_in(tmp_path) == []


async def test_what_a_killed_writer_has_left_is_deleted(store: FolderStore, tmp_path: Path) -> None:
    (tmp_path / "content.part").write_bytes(b"half")
    (tmp_path / "other.part").write_bytes(b"half")
    await store.delete("content")
    assert names_in(tmp_path) == ["other.part"]


async def test_a_folder_that_went_is_told(store: FolderStore, tmp_path: Path) -> None:
    os.rmdir(tmp_path)  # noqa: PTH106
    with pytest.raises(StoreUnavailable, match="No such file"):
        await store.put("content", blocks([b"x"]))


async def test_reading_does_not_hold_the_loop(store: FolderStore) -> None:
    """All of it is done in threads of ours, which end with the store."""
    await store.put("content", blocks([b"x" * (1 << 20)] * 3))
    threads: set[bool] = set()
    pread = os.pread

    def told(*args: Any) -> bytes:
        import threading

        threads.add(threading.current_thread() is threading.main_thread())
        return pread(*args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "pread", told)
        assert len(await read(store, "content")) == 3 << 20
    assert threads == {False}
    await store.aclose()
    with pytest.raises(StoreUnavailable, match="not open"):
        await read(store, "content")


@pytest.mark.parametrize(
    "url", ["file://host/folder", "file:folder", "file://", "file:///folder?x=1", "file:///no/such/folder"]
)
async def test_a_folder_that_cannot_be(url: str) -> None:
    with pytest.raises(ConfigError, match="content_store"):
        await _opened(url)


async def _opened(url: str) -> None:
    store = FolderStore(url)
    try:
        await store.open()
    finally:
        with anyio.CancelScope(shield=True):
            await store.aclose()
