"""Searches for batches and files."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest
from msgspec.structs import replace

from litebatch_asgi.models import Batch, BatchStatus, File, JobState
from litebatch_asgi.models.ids import BATCH_PREFIX, FILE_PREFIX, new_id
from litebatch_asgi.search import BatchSearch, FileSearch, SearchPage
from litebatch_asgi.storage import Storage
from litebatch_asgi.testing.conformance.base import StorageTests, stored_batch, stored_file, writing
from litebatch_asgi.testing.samples import a_batch, a_file, a_job

NOW = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
INSTANT = timedelta(microseconds=1)
STATUSES: Sequence[frozenset[BatchStatus]] = (
    frozenset(),
    frozenset({BatchStatus.FAILED}),
    frozenset({BatchStatus.FAILED, BatchStatus.IN_PROGRESS}),
    frozenset({BatchStatus.COMPLETED, BatchStatus.FAILED}),
)


def ordered_id(prefix: str, number: int) -> str:
    """An id that sorts as its number does."""
    return f"{prefix}{number:026}"


async def found(storage: Storage, **asked: Any) -> list[str]:
    """The ids of the batches on a single page, behind which there are no more."""
    page = await storage.search.batches(replace(BatchSearch(limit=100), **asked))
    assert page.next is None
    assert page.previous is None
    return [batch.id for batch in page.items]


async def found_files(storage: Storage, **asked: Any) -> list[str]:
    """The same of files."""
    page = await storage.search.files(replace(FileSearch(limit=100, now=NOW), **asked))
    assert page.next is None
    assert page.previous is None
    return [file.id for file in page.items]


async def batch_pages(storage: Storage, search: BatchSearch) -> list[SearchPage[Batch]]:
    """All pages, from the newest one on."""
    pages = [await storage.search.batches(search)]
    while pages[-1].next is not None:
        pages.append(await storage.search.batches(replace(search, before=pages[-1].next)))
    return pages


async def batch_pages_back(
    storage: Storage, search: BatchSearch, last: SearchPage[Batch]
) -> list[SearchPage[Batch]]:
    """All pages in front of the last one, in the order of their ages, from the newest one on."""
    pages = [last]
    while pages[0].previous is not None:
        pages.insert(0, await storage.search.batches(replace(search, after=pages[0].previous)))
    return pages


class SearchTests(StorageTests):
    """Searches for batches and files."""

    async def various_batches(self, storage: Storage) -> list[tuple[Batch, frozenset[str]]]:
        """Batches of every kind, oldest first, each with the deployments that it has jobs at."""
        kinds = product("ab", "xy", (BatchStatus.COMPLETED, BatchStatus.FAILED, BatchStatus.IN_PROGRESS))
        batches: list[tuple[Batch, frozenset[str]]] = []
        for number, (owner, model, status) in enumerate([*kinds] * 2):
            batch = a_batch(
                a_file(),
                id=ordered_id(BATCH_PREFIX, number),
                owner=owner,
                model=model,
                status=status,
                created_at=NOW + number // 2 * INSTANT,
            )
            places = [{"east"}, {"east", "west"}, set[str]()][number % 5 % 3]
            jobs = [
                a_job(batch, shard=shard, attempt=attempt, deployment_id=place)
                for attempt in (1, 2)
                for shard, place in enumerate(sorted(places))
            ]
            waiting = a_job(batch, shard=9, deployment_id=None)
            ended = [replace(job, state=JobState.REFUSED, next_check_at=None) for job in jobs]
            await stored_batch(storage, *ended, waiting, batch=batch)
            batches.append((batch, frozenset(places)))
        return batches

    @pytest.mark.parametrize("limit", [1, 3, 100])
    async def test_batches_are_found_page_by_page_and_back(self, storage: Storage, limit: int) -> None:
        """Newest first, each once, by every combination of filters."""
        batches = await self.various_batches(storage)
        for owner, model, deployment, statuses in product(
            ("a", None), ("x", None), ("west", "east", None), STATUSES
        ):
            expected = [
                batch
                for batch, places in reversed(batches)
                if owner in (None, batch.owner)
                and model in (None, batch.model)
                and (deployment is None or deployment in places)
                and (not statuses or batch.status in statuses)
            ]
            search = BatchSearch(
                owner=owner, model=model, deployment_id=deployment, statuses=statuses, limit=limit
            )
            pages = await batch_pages(storage, search)
            assert [batch for page in pages for batch in page.items] == expected, search
            assert all(len(page.items) <= limit for page in pages)
            assert pages[0].previous is None
            back = await batch_pages_back(storage, search, pages[-1])
            assert [batch for page in back for batch in page.items] == expected, search

    async def test_what_is_unknown_finds_nothing(self, storage: Storage) -> None:
        """And there is no other page."""
        await self.various_batches(storage)
        for asked in ({"owner": "c"}, {"model": "z"}, {"deployment_id": "north"}, {"text": "nowhere"}):
            assert await found(storage, **asked) == [], asked
        assert await found(storage, statuses=frozenset({BatchStatus.EXPIRED})) == []
        assert await found(storage, text=new_id(BATCH_PREFIX)) == []
        assert await found(storage, text=new_id(FILE_PREFIX)) == []

    async def test_newer_batches_come_in_front_of_the_first_page(self, storage: Storage) -> None:
        """And are found from there on by going back."""
        batches = [
            await stored_batch(
                storage, id=ordered_id(BATCH_PREFIX, number), created_at=NOW + number * INSTANT
            )
            for number in range(3)
        ]
        first = await storage.search.batches(BatchSearch(limit=2))
        newer = await stored_batch(storage, id=ordered_id(BATCH_PREFIX, 9), created_at=NOW + 9 * INSTANT)
        second = await storage.search.batches(BatchSearch(limit=2, before=first.next))
        assert [*first.items, *second.items] == batches[::-1]
        [back] = (await batch_pages_back(storage, BatchSearch(limit=3), second))[:-1]
        assert back.items == [newer, *first.items]

    async def test_batches_are_found_by_a_text(self, storage: Storage) -> None:
        """In their ids, in their input file's id and name, in what their metadata says, in any case."""
        file = a_file(filename="Nightly-ÄPFEL.jsonl")
        named = a_batch(file, metadata={"Project": 'a "Quoted" \\ thing', "other": "Straße"})
        await stored_file(storage, file=file)
        await stored_batch(storage, batch=named)
        plain = await stored_batch(storage)
        for text in (
            "NIGHTLY",
            "äpfel",
            "project",
            '"quoted" \\ ',
            "STRASSE",
            "othe",
            named.id[5:-1].upper(),
        ):
            assert await found(storage, text=text) == [named.id], text
        assert await found(storage, text=plain.input_file_id[3:-1]) == [plain.id]
        assert await found(storage, text="batch_LB") == [plain.id, named.id]
        assert await found(storage, text="nightly", owner=named.owner, model=named.model) == [named.id]
        assert await found(storage, text="nightly", owner="team:other") == []
        assert await found(storage, text='{"') == []
        assert await found(storage, text="%") == []

    async def test_a_text_finds_batches_whose_file_is_gone(self, storage: Storage) -> None:
        """By its id still."""
        batch = await stored_batch(storage, metadata={"a": "b"})
        await storage.change_file(batch.input_file_id, lambda _: None)
        assert await found(storage, text=batch.input_file_id) == [batch.id]
        assert await found(storage, text=batch.input_file_id[:-1]) == [batch.id]

    async def test_a_batch_is_found_by_its_whole_id(self, storage: Storage) -> None:
        """Alone, though others name it; where the other filters fit."""
        batch = await stored_batch(storage, a_job(a_batch(a_file()), deployment_id="east"))
        await stored_batch(storage, metadata={"litebatch_retry_of": batch.id})
        assert await found(storage, text=batch.id) == [batch.id]
        fitting = {
            "owner": batch.owner,
            "model": batch.model,
            "deployment_id": "east",
            "statuses": frozenset({batch.status}),
        }
        assert await found(storage, text=batch.id, **fitting) == [batch.id]
        for other in (
            {"owner": "x"},
            {"model": "x"},
            {"deployment_id": "west"},
            {"statuses": frozenset({BatchStatus.FAILED})},
        ):
            assert await found(storage, text=batch.id, **fitting | other) == [], other

    async def test_batches_are_found_by_the_whole_id_of_their_input(self, storage: Storage) -> None:
        """Newest first, page by page, where the other filters fit."""
        file = a_file()
        batches = [
            await stored_batch(
                storage,
                batch=a_batch(
                    file,
                    status=[BatchStatus.FAILED, BatchStatus.COMPLETED][number % 2],
                    created_at=NOW + number * INSTANT,
                ),
            )
            for number in range(5)
        ]
        await stored_batch(storage, metadata={"input": file.id})
        pages = await batch_pages(storage, BatchSearch(text=file.id, limit=2))
        assert [batch for page in pages for batch in page.items] == batches[::-1]
        failed = frozenset({BatchStatus.FAILED})
        pages = await batch_pages(storage, BatchSearch(text=file.id, statuses=failed, limit=2))
        assert [batch for page in pages for batch in page.items] == batches[::-2]
        assert await found(storage, text=file.id, owner="x") == []

    async def test_places_of_others_are_told_to_nobody(self, storage: Storage) -> None:
        """Not where a search goes on either, though it names an input that others have batches on."""
        file = a_file()
        batches = [
            await stored_batch(storage, batch=a_batch(file, owner=owner, created_at=NOW + number * INSTANT))
            for number, owner in enumerate("baabbb")
        ]
        search = BatchSearch(owner="a", text=file.id, limit=1, look_at=2)
        pages = await batch_pages(storage, search)
        assert [batch for page in pages for batch in page.items] == [batches[2], batches[1]]
        pages += await batch_pages_back(storage, search, pages[-1])
        pages.append(await storage.search.batches(replace(search, owner="c")))
        places = [place.id for page in pages for place in (page.next, page.previous) if place is not None]
        assert not {batch.id for batch in batches if batch.owner == "b"} & set(places)

    async def test_a_page_looks_at_no_more_than_so_many_rows(self, storage: Storage) -> None:
        """What lies behind them is found by going on, and from there by going back."""
        batches = await self.various_batches(storage)
        oldest = batches[0][0]
        await storage.change_batch(oldest.id, writing(batch=replace(oldest, metadata={"needle": "1"})))
        search = BatchSearch(text="needle", limit=10, look_at=5)
        pages = await batch_pages(storage, search)
        assert [len(page.items) for page in pages[:4]] == [0, 0, 0, 0]
        assert [batch.id for page in pages for batch in page.items] == [oldest.id]
        back = await batch_pages_back(storage, search, pages[-1])
        assert len(back) >= 5
        assert [batch.id for page in back for batch in page.items] == [oldest.id]

    async def test_a_page_of_several_statuses_looks_at_no_more(self, storage: Storage) -> None:
        """However old the last one of a rare status is."""
        statuses = [BatchStatus.IN_PROGRESS, *[BatchStatus.FAILED] * 5]
        for number, status in enumerate(statuses):
            metadata = {"needle": "1"} if number == 1 else None
            created_at = NOW + number * INSTANT
            await stored_batch(storage, status=status, metadata=metadata, created_at=created_at)
        search = BatchSearch(statuses=frozenset(statuses), text="needle", limit=10, look_at=2)
        first, *others = await batch_pages(storage, search)
        assert first.items == []
        assert sum(len(page.items) for page in others) == 1

    @pytest.mark.parametrize("look_at", [1, 2, 5])
    async def test_what_is_looked_at_makes_no_difference(self, storage: Storage, look_at: int) -> None:
        """All pages together have the same batches in the same order, whatever the filters."""
        batches = await self.various_batches(storage)
        for owner, model, deployment, text in product(
            ("a", None), ("x", None), ("west", None), ("0000001", None)
        ):
            for statuses in STATUSES:
                expected = [
                    batch
                    for batch, places in reversed(batches)
                    if owner in (None, batch.owner)
                    and model in (None, batch.model)
                    and (deployment is None or deployment in places)
                    and (not statuses or batch.status in statuses)
                    and (text is None or text in batch.id)
                ]
                search = BatchSearch(
                    owner=owner,
                    model=model,
                    deployment_id=deployment,
                    statuses=statuses,
                    text=text,
                    limit=3,
                    look_at=look_at,
                )
                pages = await batch_pages(storage, search)
                assert [batch for page in pages for batch in page.items] == expected, search
                back = await batch_pages_back(storage, search, pages[-1])
                assert [batch for page in back for batch in page.items] == expected, search

    async def test_files_are_found_page_by_page_and_back(self, storage: Storage) -> None:
        """Newest first, each once; accepted, undeleted, unexpired ones."""
        files = [
            a_file(owner=owner, purpose=purpose, filename=name, created_at=NOW + time * INSTANT)
            for time, (owner, purpose, name) in enumerate(
                [*product("ab", ("batch", "batch_output"), ("One.jsonl", "two.jsonl"))] * 2
            )
        ]
        hidden = [
            a_file(accepted_at=None),
            a_file(deleted_at=NOW),
            a_file(expires_at=NOW),
        ]
        for file in (*files, *hidden):
            await stored_file(storage, file=file)
        for owner, purpose, text, limit in product(("a", None), ("batch", None), ("ONE", None), (1, 3, 100)):
            expected = [
                file
                for file in reversed(files)
                if owner in (None, file.owner)
                and purpose in (None, file.purpose)
                and (text is None or "One" in file.filename)
            ]
            search = FileSearch(owner=owner, now=NOW, purpose=purpose, text=text, limit=limit)
            assert await self._there_and_back(storage, search) == [expected, expected], search

    async def _there_and_back(self, storage: Storage, search: FileSearch) -> list[list[File]]:
        page = await storage.search.files(search)
        there, back = list(page.items), list[File]()
        while page.next is not None:
            page = await storage.search.files(replace(search, before=page.next))
            there += page.items
        back = list(page.items)
        while page.previous is not None:
            page = await storage.search.files(replace(search, after=page.previous))
            back[:0] = page.items
        return [there, back]

    async def test_a_file_is_found_by_its_whole_id(self, storage: Storage) -> None:
        """Alone, where the other filters fit."""
        file = await stored_file(storage)
        await stored_file(storage, file=a_file(filename=file.id))
        assert await found_files(storage, text=file.id) == [file.id]
        assert await found_files(storage, text=file.id, owner=file.owner, purpose="batch") == [file.id]
        assert await found_files(storage, text=file.id, owner="x") == []
        assert await found_files(storage, text=file.id, purpose="batch_output") == []
        assert await found_files(storage, text=new_id(FILE_PREFIX)) == []
        assert set(await found_files(storage, text=file.id[:-1].upper())) >= {file.id}
