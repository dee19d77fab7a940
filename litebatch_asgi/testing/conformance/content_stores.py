"""What every `ContentStore` has to do, as tests for whoever writes one."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import TypeAlias

import anyio
import pytest

from litebatch_asgi.contents import ContentStore
from litebatch_asgi.errors import ContentMissing
from litebatch_asgi.models.ids import CONTENT_PREFIX, new_id

MIB = 1 << 20
WRONG_KEYS = ("", ".", "..", "a/b", "/etc/x", "../x", "a\0", "A", "a b", "-a", "a" * 101)
NewKey: TypeAlias = Callable[[], Awaitable[str]]


async def blocks(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    """The pieces, as a writer gets them."""
    for piece in pieces:
        yield piece


async def read(store: ContentStore, key: str, start: int = 0, end: int | None = None) -> bytes:
    """A range of what is there."""
    return b"".join([block async for block in store.get(key, start, end)])


@pytest.mark.anyio
class ContentStoreConformance:
    """All the tests. A subclass defines the fixture `store`, open, and perhaps `new_key`."""

    @pytest.fixture
    def anyio_backend(self) -> str:
        """Stores run on asyncio."""
        return "asyncio"

    @pytest.fixture
    def store(self) -> ContentStore:
        """An open store."""
        raise NotImplementedError("a subclass of ContentStoreConformance defines the fixture store")

    @pytest.fixture
    def new_key(self) -> NewKey:
        """Makes keys that may be written."""

        async def new_key() -> str:
            return new_id(CONTENT_PREFIX)

        return new_key

    async def test_what_was_put_comes_back(self, store: ContentStore, new_key: NewKey) -> None:
        """Whatever the size of the blocks; how many bytes there are is told."""
        contents = {
            "nothing": [],
            "empty blocks": [b"", b"a", b""],
            "small": [b"one ", b"two ", b"three"],
            "one large block": [bytes(range(256)) * 12_000],
            "chunks": [b"x" * MIB, b"y" * MIB],
            "odd blocks": [bytes([number]) * 77_777 for number in range(99)],
        }
        for name, pieces in contents.items():
            key = await new_key()
            whole = b"".join(pieces)
            assert await store.put(key, blocks(pieces)) == len(whole), name
            assert await read(store, key) == whole, name

    async def test_a_range_is_read(self, store: ContentStore, new_key: NewKey) -> None:
        """From a byte up to another; what lies beyond the end is left out."""
        key = await new_key()
        whole = b"".join(number.to_bytes(4, "big") for number in range(600_000))
        await store.put(key, blocks(whole[at : at + 100_000] for at in range(0, len(whole), 100_000)))
        edges = (0, 1, MIB - 1, MIB, MIB + 1, 2 * MIB, len(whole) - 1, len(whole))
        for start, end in itertools.combinations_with_replacement(edges, 2):
            assert await read(store, key, start, end) == whole[start:end], (start, end)
        for start in edges:
            assert await read(store, key, start) == whole[start:], start
        assert await read(store, key, 5, len(whole) + 7) == whole[5:]
        assert await read(store, key, len(whole) + 7) == b""

    async def test_a_key_that_is_not_there(self, store: ContentStore, new_key: NewKey) -> None:
        """Cannot be read, and may be deleted."""
        key = await new_key()
        for start, end in ((0, None), (3, None), (0, 0), (3, 9)):
            with pytest.raises(ContentMissing):
                await read(store, key, start, end)
        await store.delete(key)

    async def test_what_was_deleted_is_gone(self, store: ContentStore, new_key: NewKey) -> None:
        """And nothing else is."""
        key, other = await new_key(), await new_key()
        for each in (key, other):
            await store.put(each, blocks([b"x" * MIB, b"rest"]))
        for _ in range(2):
            await store.delete(key)
            with pytest.raises(ContentMissing):
                await read(store, key)
        assert await read(store, other) == b"x" * MIB + b"rest"

    async def test_what_the_blocks_raise_passes_through(self, store: ContentStore, new_key: NewKey) -> None:
        """What was written of them can be deleted."""

        async def failing() -> AsyncIterator[bytes]:
            yield b"x" * 6 * MIB
            raise LookupError("no more")

        key = await new_key()
        with pytest.raises(LookupError, match="no more"):
            await store.put(key, failing())
        await store.delete(key)
        with pytest.raises(ContentMissing):
            await read(store, key)

    async def test_a_writer_can_be_cancelled(self, store: ContentStore, new_key: NewKey) -> None:
        """What was written can be deleted, and the store is of use as before."""
        began = anyio.Event()

        async def endless() -> AsyncIterator[bytes]:
            yield b"x" * 6 * MIB
            began.set()
            await anyio.sleep_forever()

        key, other = await new_key(), await new_key()
        async with anyio.create_task_group() as group:
            group.start_soon(store.put, key, endless())
            await began.wait()
            group.cancel_scope.cancel()
        await store.delete(key)
        with pytest.raises(ContentMissing):
            await read(store, key)
        await store.put(other, blocks([b"other"]))
        assert await read(store, other) == b"other"

    async def test_a_reader_may_stop(self, store: ContentStore, new_key: NewKey) -> None:
        """After any block."""
        key = await new_key()
        await store.put(key, blocks([b"x" * MIB] * 9))
        reader = store.get(key)
        assert await anext(reader)
        await reader.aclose()
        assert len(await read(store, key)) == 9 * MIB

    async def test_many_write_and_read_at_once(self, store: ContentStore, new_key: NewKey) -> None:
        """None gets what is another's."""

        async def go_round(number: int) -> None:
            key = await new_key()
            pieces = [bytes([number]) * 400_000] * 4
            await store.put(key, blocks(pieces))
            assert await read(store, key) == b"".join(pieces)
            await store.delete(key)

        async with anyio.create_task_group() as group:
            for number in range(8):
                group.start_soon(go_round, number)

    @pytest.mark.parametrize("key", WRONG_KEYS)
    async def test_a_key_is_a_plain_name(self, store: ContentStore, key: str) -> None:
        """Anything else is refused, whatever is to be done with it."""
        with pytest.raises(ValueError, match="key"):
            await store.put(key, blocks([b"x"]))
        with pytest.raises(ValueError, match="key"):
            await read(store, key)
        with pytest.raises(ValueError, match="key"):
            await store.delete(key)
