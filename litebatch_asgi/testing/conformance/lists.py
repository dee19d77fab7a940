"""Pages of files and batches."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import product

import pytest
from msgspec.structs import replace

from litebatch_asgi.models import Batch, BatchChange, File, FileState, FileStatus, ModelPattern
from litebatch_asgi.models.patterns import is_wanted
from litebatch_asgi.storage import BatchQuery, FileQuery, Storage
from litebatch_asgi.testing.conformance.base import (
    StorageTests,
    file_writing,
    stored_batch,
    stored_file,
    writing,
)
from litebatch_asgi.testing.samples import a_batch, a_file

NOW = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
INSTANT = timedelta(microseconds=1)
LIMITS = (1, 3, 100)
ASKED_MODELS: tuple[tuple[str, ...], ...] = ((), ("x",), ("x", "z"), ("z", "x", "x", "unknown"))


def _admitted(change: BatchChange, state: FileState) -> BatchChange:
    return change


async def _stored_batches(storage: Storage, batches: Sequence[Batch]) -> None:
    file = await stored_file(storage)
    for batch in batches:
        change = BatchChange(batch=batch)
        await storage.create_batch(file.id, partial(_admitted, change))


async def _file_pages(storage: Storage, query: FileQuery) -> list[File]:
    """All that the query finds, page by page."""
    found: list[File] = []
    while page := await storage.list_files(replace(query, after=found[-1] if found else None)):
        assert len(page) <= query.limit
        found += page
    return found


async def _batch_pages(storage: Storage, query: BatchQuery) -> list[Batch]:
    found: list[Batch] = []
    while page := await storage.list_batches(replace(query, after=found[-1] if found else None)):
        assert len(page) <= query.limit
        found += page
    return found


class ListTests(StorageTests):
    """Pages of files and batches."""

    @pytest.mark.parametrize("limit", LIMITS)
    @pytest.mark.parametrize("descending", [True, False])
    async def test_files_are_paged_exactly_once(self, storage: Storage, descending: bool, limit: int) -> None:
        """In order of time and, where that is equal, of id, whatever order they were written in."""
        times = (3, 1, 1, 2, 1, 3, 1, 0)
        files = [a_file(owner="a", created_at=NOW + time * INSTANT) for time in times]
        for file in sorted(files, key=lambda file: file.id, reverse=True):
            await stored_file(storage, file=file)
        files.sort(key=lambda file: (file.created_at, file.id), reverse=descending)
        query = FileQuery(owner="a", now=NOW, descending=descending, limit=limit)
        assert await _file_pages(storage, query) == files

    async def test_batches_are_paged_exactly_once(self, storage: Storage) -> None:
        """Newest first; of the owner and of one of the models, where they are named."""
        batches = [
            a_batch(a_file(), owner=owner, model=model, created_at=NOW + time * INSTANT)
            for owner in "ab"
            for model in "xyz"
            for time in (2, 1, 1, 3)
        ]
        await _stored_batches(storage, batches)
        for owner, models, limit in product(("a", None), ASKED_MODELS, LIMITS):
            expected = [
                batch
                for batch in sorted(batches, key=lambda batch: (batch.created_at, batch.id), reverse=True)
                if owner in (None, batch.owner) and (not models or batch.model in models)
            ]
            query = BatchQuery(owner=owner, models=models, limit=limit)
            assert await _batch_pages(storage, query) == expected, query

    async def test_pages_stay_in_step_while_newer_items_arrive(self, storage: Storage) -> None:
        """What comes in between belongs in front of the first page."""
        batches = [a_batch(a_file(), created_at=NOW + time * INSTANT) for time in range(4)]
        await _stored_batches(storage, batches)
        first = await storage.list_batches(BatchQuery(owner=None, limit=2))
        await _stored_batches(storage, [a_batch(a_file(), created_at=NOW + timedelta(days=1))])
        second = await storage.list_batches(BatchQuery(owner=None, after=first[-1], limit=2))
        assert first + second == batches[::-1]

    async def test_a_page_may_begin_after_a_file_that_is_gone(self, storage: Storage) -> None:
        """Only its time and id count."""
        file = await stored_file(storage)
        gone = a_file(created_at=file.created_at + INSTANT)
        query = FileQuery(owner=file.owner, now=NOW, after=gone, limit=10)
        assert await storage.list_files(query) == [file]

    async def test_only_visible_files_are_listed(self, storage: Storage) -> None:
        """Accepted, undeleted, unexpired."""
        shown = [a_file(expires_at=NOW + INSTANT), a_file(expires_at=None)]
        hidden = [
            a_file(accepted_at=None),
            a_file(deleted_at=NOW),
            a_file(expires_at=NOW),
            a_file(expires_at=NOW - INSTANT),
        ]
        for file in (*shown, *hidden):
            await stored_file(storage, file=file)
        found = await storage.list_files(FileQuery(owner=None, now=NOW, limit=10))
        assert {file.id for file in found} == {file.id for file in shown}

    @pytest.mark.parametrize("descending", [True, False])
    async def test_expired_files_are_paged_by_their_end(self, storage: Storage, descending: bool) -> None:
        """Accepted, undeleted, expired; those longest expired first, each once."""
        ends = [0, 3, 1, 1, 2]
        expired = [a_file(expires_at=NOW - end * INSTANT, created_at=NOW + end * INSTANT) for end in ends]
        others = [
            a_file(expires_at=NOW + INSTANT),
            a_file(expires_at=None),
            a_file(expires_at=NOW, accepted_at=None),
            a_file(expires_at=NOW, deleted_at=NOW),
        ]
        for file in (*expired, *others):
            await stored_file(storage, file=file)
        found: list[File] = []
        while not found or len(found) % 2 == 0:
            after = found[-1] if found else None
            query = FileQuery(owner=None, now=NOW, expired=True, after=after, descending=descending, limit=2)
            found += await storage.list_files(query)
        assert found == sorted(expired, key=lambda file: (file.expires_at, file.id))

    async def test_expired_files_of_one_owner_purpose_and_model(self, storage: Storage) -> None:
        """As with the others."""
        wanted = a_file(owner="a", purpose="batch", models=("x",), expires_at=NOW)
        others = [
            replace(wanted, id=a_file().id, owner="b"),
            replace(wanted, id=a_file().id, purpose="batch_output"),
            replace(wanted, id=a_file().id, models=("y",)),
        ]
        for file in (wanted, *others):
            await stored_file(storage, file=file)
        query = FileQuery(owner="a", now=NOW, expired=True, purpose="batch", models=("x",), limit=10)
        assert await storage.list_files(query) == [wanted]

    async def test_files_of_one_owner(self, storage: Storage) -> None:
        """Owners are compared as they are: in full, upper and lower case apart, the empty one too."""
        owners = ("team:a", "team:A", "team:", "team:a ", "", "team:%")
        for owner in owners:
            await stored_file(storage, file=a_file(owner=owner))
        for owner in owners:
            found = await storage.list_files(FileQuery(owner=owner, now=NOW, limit=10))
            assert [file.owner for file in found] == [owner]
        assert len(await storage.list_files(FileQuery(owner=None, now=NOW, limit=10))) == len(owners)

    async def test_batches_of_one_owner(self, storage: Storage) -> None:
        """As with files."""
        owners = ("team:a", "team:A", "team:", "team:a ", "", "team:%")
        await _stored_batches(storage, [a_batch(a_file(), owner=owner) for owner in owners])
        for owner in owners:
            found = await storage.list_batches(BatchQuery(owner=owner, limit=10))
            assert [batch.owner for batch in found] == [owner]

    @pytest.mark.parametrize("owner", ["a", None])
    async def test_files_of_one_purpose(self, storage: Storage, owner: str | None) -> None:
        """And of the owner, where one is named."""
        for purpose in ("batch", "batch_output", "batch"):
            await stored_file(storage, file=a_file(owner="a", purpose=purpose))
        found = await storage.list_files(FileQuery(owner=owner, now=NOW, purpose="batch", limit=10))
        assert [file.purpose for file in found] == ["batch", "batch"]
        assert await storage.list_files(FileQuery(owner=owner, now=NOW, purpose="", limit=10)) == []

    async def test_files_of_some_models(self, storage: Storage) -> None:
        """One model in common is enough; a file is listed once."""
        models: list[tuple[str, ...]] = [("x",), ("x", "y"), ("y", 'z"'), (), ("xy",)]
        for number, names in enumerate(models):
            await stored_file(storage, file=a_file(models=names, created_at=NOW - number * INSTANT))

        async def found(*names: str) -> list[tuple[str, ...]]:
            files = await storage.list_files(FileQuery(owner=None, now=NOW, models=names, limit=10))
            return [file.models for file in files]

        assert await found("x") == [("x",), ("x", "y")]
        assert await found("x", "y") == [("x",), ("x", "y"), ("y", 'z"')]
        assert await found('z"', "unknown") == [("y", 'z"')]
        assert await found("unknown") == []
        assert await found() == models

    async def test_files_and_batches_whose_best_pattern_is_wanted(self, storage: Storage) -> None:
        """A whole name fits better than a beginning, and a longer beginning better than a shorter one."""
        names = ("gpt-4o", "azure/a", "azure/b%", "azure/vip/c", "AZURE/a", "azure", "azure_x", "")
        files = [a_file(owner="a", models=(name,), created_at=NOW) for name in names]
        files += [a_file(owner="a", models=("azure/a", "gpt-4o")), a_file(owner="a", models=())]
        for file in files:
            await stored_file(storage, file=file)
        batches = [a_batch(a_file(), owner="a", model=name, created_at=NOW) for name in names]
        await _stored_batches(storage, batches)

        async def found(**patterns: bool) -> tuple[list[str], list[str]]:
            asked = tuple(ModelPattern.of(name, is_wanted=wanted) for name, wanted in patterns.items())
            assert {name for name in names if is_wanted(asked, name)} == {
                batch.model
                for batch in await _batch_pages(storage, BatchQuery(owner="a", patterns=asked, limit=3))
            }
            of_all = await _batch_pages(storage, BatchQuery(owner=None, patterns=asked, limit=100))
            listed = await _file_pages(storage, FileQuery(owner="a", now=NOW, patterns=asked, limit=3))
            everybodys = await _file_pages(storage, FileQuery(owner=None, now=NOW, patterns=asked, limit=3))
            assert [file.id for file in everybodys if file.owner == "a"] == [file.id for file in listed]
            return sorted(batch.model for batch in of_all), sorted(",".join(file.models) for file in listed)

        azures = ["azure/a", "azure/b%", "azure/vip/c"]
        assert await found(**{"azure/*": True}) == (azures, sorted([*azures, "azure/a,gpt-4o"]))
        others = ["", "AZURE/a", "azure", "azure_x", "gpt-4o"]
        assert await found(**{"azure/*": False, "*": True}) == (others, sorted([*others, "azure/a,gpt-4o"]))
        nested = {"*": False, "azure/*": True, "azure/vip/*": False, "azure/a": False, "azure/vip/c": True}
        assert (await found(**nested))[0] == ["azure/b%", "azure/vip/c"]
        assert await found(**{"unknown": True}) == ([], [])
        query = FileQuery(
            owner=None,
            now=NOW,
            models=("gpt-4o",),
            patterns=(ModelPattern.of("azure/*", is_wanted=True),),
            limit=9,
        )
        assert [file.models for file in await storage.list_files(query)] == [("azure/a", "gpt-4o")]
        of_model = BatchQuery(owner=None, models=("azure/a", "gpt-4o"), patterns=query.patterns, limit=9)
        assert [batch.model for batch in await storage.list_batches(of_model)] == ["azure/a"]

    async def test_filtered_files_are_paged_exactly_once(self, storage: Storage) -> None:
        """In their order, each once however many of the models it is for."""
        files = [
            a_file(owner=owner, purpose=purpose, models=names, created_at=NOW + time * INSTANT)
            for owner in "ab"
            for purpose in ("batch", "user_data")
            for names in (("x",), ("x", "z", "x"), ("y",), ())
            for time in (1, 2, 1)
        ]
        for file in files:
            await stored_file(storage, file=file)
        for owner, purpose, models, descending, limit in product(
            ("a", None), ("batch", None), ASKED_MODELS, (True, False), LIMITS
        ):
            expected = [
                file
                for file in sorted(files, key=lambda file: (file.created_at, file.id), reverse=descending)
                if owner in (None, file.owner) and purpose in (None, file.purpose)
                if not models or set(models) & set(file.models)
            ]
            query = FileQuery(
                owner=owner, now=NOW, purpose=purpose, models=models, descending=descending, limit=limit
            )
            assert await _file_pages(storage, query) == expected, query

    async def test_files_of_a_model_are_those_that_are_visible(self, storage: Storage) -> None:
        """From when one is accepted until it is deleted, expires or is removed; results of batches too."""
        query = FileQuery(owner=None, now=NOW, models=("x",), limit=10)

        async def found() -> list[str]:
            return [file.filename for file in await storage.list_files(query)]

        hidden = [
            a_file(accepted_at=None),
            a_file(deleted_at=NOW),
            a_file(expires_at=NOW),
        ]
        for file in hidden:
            await stored_file(storage, file=replace(file, models=("x",)))
        file = await stored_file(storage, file=a_file(models=("x",), accepted_at=None, filename="mine"))
        assert await found() == []
        accepted = replace(file, accepted_at=NOW)
        await storage.change_file(file.id, file_writing(file=accepted))
        assert await found() == ["mine"]
        await storage.change_file(file.id, file_writing(file=replace(accepted, status=FileStatus.PROCESSED)))
        assert await found() == ["mine"]
        await storage.change_file(file.id, file_writing(file=replace(accepted, deleted_at=NOW)))
        assert await found() == []
        result = a_file(models=("x",), filename="result")
        batch = await stored_batch(storage)
        await storage.change_batch(batch.id, writing(files=(result, a_file(models=("x",), accepted_at=None))))
        assert await found() == ["result"]
        await storage.change_file(result.id, file_writing(remove=True))
        assert await found() == []
