"""The places that files take under limits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import anyio
import pytest
from msgspec.structs import replace

from litebatch_asgi.errors import LimitExceeded
from litebatch_asgi.models import File, FileHold, Limits
from litebatch_asgi.storage import Storage
from litebatch_asgi.testing.conformance.base import StorageTests, file_writing
from litebatch_asgi.testing.samples import a_copy, a_file, a_request

ALL = 10**9


def holding(scope: str = "team:a", most: int | None = 2) -> FileHold:
    """A place among the files of a scope, two of them unless told otherwise."""
    return FileHold(scope=scope, limits=(Limits(scope=scope, max_files=most),))


async def upload(storage: Storage, *holds: FileHold) -> File:
    """A file that holds these places."""
    file = a_file()
    await storage.create_file(file, [a_copy(file)], holds=holds)
    return file


class FileHoldTests(StorageTests):
    """The places that files take under limits."""

    async def test_what_has_no_place_is_not_created(self, storage: Storage) -> None:
        """Neither the file nor its copies; the refusal says whose limit it is."""
        for _ in range(2):
            await upload(storage, holding())
        file = a_file()
        with pytest.raises(LimitExceeded, match="max_files of team:a is 2: 2 in use") as refusal:
            await storage.create_file(file, [a_copy(file)], holds=[holding()])
        assert refusal.value.param == "max_files"
        assert await storage.get_file(file.id) is None
        await storage.create_file(file, [a_copy(file)], holds=[holding("team:b")])

    async def test_places_are_counted_where_nothing_is_limited_yet(self, storage: Storage) -> None:
        """A limit that is set later finds them; files without places do not count."""
        await upload(storage)
        await upload(storage, holding(most=None))
        with pytest.raises(LimitExceeded):
            await upload(storage, holding(most=1))
        await upload(storage, holding(most=2))

    async def test_a_file_takes_places_in_all_its_scopes_or_in_none(self, storage: Storage) -> None:
        """Whichever has no room."""
        await upload(storage, holding("key:1", 1), holding("team:a"))
        with pytest.raises(LimitExceeded, match="key:1"):
            await upload(storage, holding("a:first"), holding("key:1", 1), holding("team:a"))
        await upload(storage, holding("team:a"))
        await upload(storage, holding("a:first", 1))

    async def test_a_deleted_file_gives_its_places_back(self, storage: Storage) -> None:
        """When it is hidden, not when its copies are gone; another change of it gives nothing back."""
        only = holding(most=1)
        file = await upload(storage, only)
        await storage.change_file(file.id, file_writing(file=replace(file, filename="other.jsonl")))
        with pytest.raises(LimitExceeded):
            await upload(storage, only)
        hidden = replace(file, deleted_at=datetime.now(UTC))
        await storage.change_file(file.id, file_writing(file=hidden))
        await upload(storage, only)
        await storage.change_file(file.id, file_writing(file=replace(hidden, filename="last.jsonl")))
        with pytest.raises(LimitExceeded):
            await upload(storage, only)

    async def test_a_removed_file_gives_its_places_back(self, storage: Storage) -> None:
        """Without having been hidden before."""
        only = holding(most=1)
        file = await upload(storage, only)
        await storage.change_file(file.id, file_writing(remove=True))
        await upload(storage, only)

    async def test_a_repetition_takes_no_place(self, storage: Storage) -> None:
        """It is the same file, even where there is no room for another."""
        file = a_file()
        request = a_request(file, key="k")
        first = await storage.create_file(file, [], request=request, holds=[holding(most=1)])
        again = await storage.create_file(a_file(), [], request=request, holds=[holding(most=1)])
        assert again.file.id == first.file.id

    async def test_the_last_place_is_given_out_once(self, storages: Sequence[Storage]) -> None:
        """However many want it at once, in whatever order they name their scopes."""
        scopes = [holding(most=5), holding("key:1", ALL), holding("user:7", ALL)]
        refused = 0

        async def one(number: int) -> None:
            nonlocal refused
            turned = scopes[number % 3 :] + scopes[: number % 3]
            try:
                await upload(storages[number % len(storages)], *turned)
            except LimitExceeded:
                refused += 1

        async with anyio.create_task_group() as tasks:
            for number in range(12):
                tasks.start_soon(one, number)
        assert refused == 7
