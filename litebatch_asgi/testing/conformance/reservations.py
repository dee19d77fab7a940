"""What open batches hold of limits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import anyio
import pytest
from msgspec.structs import replace

from litebatch_asgi.errors import LimitExceeded, StateConflict
from litebatch_asgi.models import Batch, BatchChange, BatchStatus, File, Limits, Reservation
from litebatch_asgi.storage import Storage
from litebatch_asgi.testing.conformance.base import StorageTests, file_state_of, stored_file, writing
from litebatch_asgi.testing.samples import a_batch, a_job, a_request

ALL = 10**9


def limits(scope: str = "team:a", **most: Any) -> Limits:
    """Limits of a scope, two open batches unless told otherwise."""
    return Limits(scope=scope, **(most or {"max_open_batches": 2}))


def reserving(*every: Limits, requests: int = 10, tokens: int = 100) -> tuple[Reservation, ...]:
    """What a batch of ten requests reserves in the scopes of these limits."""
    return tuple(
        Reservation(scope=each.scope, requests=requests, tokens=tokens, at=datetime.now(UTC), limits=(each,))
        for each in every
    )


async def reserve(storage: Storage, file: File, *every: Limits, **sizes: int) -> Batch:
    """A batch that holds something of these limits."""
    batch = a_batch(file)
    change = BatchChange(batch=batch, new_jobs=(a_job(batch),), reservations=reserving(*every, **sizes))
    await storage.create_batch(file.id, lambda _: change)
    return batch


class ReservationTests(StorageTests):
    """What open batches hold of limits."""

    async def test_what_fits_is_reserved_and_what_does_not_is_not_created(self, storage: Storage) -> None:
        """The batch, its jobs and whatever else of the change are not there then."""
        file = await stored_file(storage)
        for _ in range(2):
            await reserve(storage, file, limits())
        with pytest.raises(LimitExceeded) as refusal:
            await reserve(storage, file, limits())
        assert refusal.value.param == "max_open_batches"
        assert (await file_state_of(storage, file)).open_batches == 2

    @pytest.mark.parametrize(
        "most", [{"max_enqueued_requests": 29}, {"max_enqueued_tokens": 299}, {"max_open_batches": 2}]
    )
    async def test_all_that_open_batches_hold_counts(self, storage: Storage, most: dict[str, int]) -> None:
        """To the last unit, and to be filled up by what is smaller."""
        file = await stored_file(storage)
        for _ in range(2):
            await reserve(storage, file, limits("team:a", **most))
        with pytest.raises(LimitExceeded):
            await reserve(storage, file, limits("team:a", **most))
        if "max_open_batches" not in most:
            await reserve(storage, file, limits("team:a", **most), requests=9, tokens=99)

    async def test_scopes_hold_accounts_of_their_own(self, storage: Storage) -> None:
        """A batch that does not fit into one of its scopes holds nothing in the others."""
        file = await stored_file(storage)
        await reserve(storage, file, limits("key:1", max_open_batches=1), limits("team:a"))
        with pytest.raises(LimitExceeded, match="key:1"):
            await reserve(storage, file, limits("a:first"), limits("key:1", max_open_batches=1))
        await reserve(storage, file, limits("key:2", max_open_batches=1), limits("team:a"))
        await reserve(storage, file, limits("a:first", max_open_batches=1))
        with pytest.raises(LimitExceeded, match="team:a"):
            await reserve(storage, file, limits("key:3"), limits("team:a"))

    async def test_batches_without_reservations_hold_nothing(self, storage: Storage) -> None:
        """And are held up by nothing."""
        file = await stored_file(storage)
        for _ in range(3):
            await reserve(storage, file)
        await reserve(storage, file, limits(max_open_batches=1))
        await reserve(storage, file)

    @pytest.mark.parametrize("status", [status for status in BatchStatus if status.is_final])
    async def test_whatever_ends_a_batch_releases_what_it_held(
        self, storage: Storage, status: BatchStatus
    ) -> None:
        """Once: a later change of the batch gives nothing back that others hold."""
        file = await stored_file(storage)
        only = limits(max_open_batches=1)
        first = await reserve(storage, file, only)
        ended = replace(first, status=status)
        await storage.change_batch(first.id, writing(batch=ended))
        await reserve(storage, file, only)
        await storage.change_batch(first.id, writing(batch=ended))
        with pytest.raises(LimitExceeded):
            await reserve(storage, file, only)

    async def test_changes_that_do_not_end_a_batch_release_nothing(self, storage: Storage) -> None:
        """Whatever its status, nor do changes that conflict."""
        file = await stored_file(storage)
        only = limits(max_open_batches=1)
        batch = await reserve(storage, file, only)
        for status in BatchStatus:
            if not status.is_final:
                await storage.change_batch(batch.id, writing(batch=replace(batch, status=status)))
        ending = replace(batch, status=BatchStatus.COMPLETED)
        with pytest.raises(StateConflict):
            await storage.change_batch(batch.id, writing(batch=ending, new_jobs=(a_job(batch),)))
        with pytest.raises(LimitExceeded):
            await reserve(storage, file, only)

    @pytest.mark.parametrize(
        ("settled", "requests", "tokens"),
        [
            ((1,), 6, 85_714_285_714_285_714),
            ((3, 3), 1, 14_285_714_285_714_285),
            ((7,), 0, 0),
            ((5, 5), 0, 0),
        ],
    )
    async def test_settled_requests_give_back_their_share(
        self, storage: Storage, settled: tuple[int, ...], requests: int, tokens: int
    ) -> None:
        """Exactly: what is left is rounded down, and never less than nothing."""
        all_tokens = 10**17
        file = await stored_file(storage)
        wide = limits(max_enqueued_requests=ALL)
        others = await reserve(storage, file, wide, requests=1, tokens=1)
        batch = await reserve(storage, file, wide, requests=7, tokens=all_tokens)
        for each in settled:
            await storage.change_batch(batch.id, writing(settled_requests=each))
        most: dict[str, Any] = {
            "max_enqueued_requests": requests + 11,
            "max_enqueued_tokens": tokens + 11,
        }
        for size in ({"requests": 11, "tokens": 10}, {"requests": 10, "tokens": 11}):
            with pytest.raises(LimitExceeded):
                await reserve(storage, file, limits(**most), **size)
        await reserve(storage, file, limits(**most), requests=10, tokens=10)
        for each_batch in (batch, others):
            ended = replace(each_batch, status=BatchStatus.COMPLETED)
            await storage.change_batch(each_batch.id, writing(batch=ended, settled_requests=1))
        alone: dict[str, Any] = {
            "max_enqueued_requests": 20,
            "max_enqueued_tokens": 20,
            "max_open_batches": 2,
        }
        await reserve(storage, file, limits(**alone), requests=10, tokens=10)

    async def test_a_share_is_given_back_once(self, storage: Storage) -> None:
        """Changes that settle nothing, and those that conflict, give nothing back."""
        file = await stored_file(storage)
        most = limits(max_enqueued_requests=15)
        batch = await reserve(storage, file, most)
        conflicting = writing(settled_requests=9, new_jobs=(a_job(batch, attempt=1),))
        with pytest.raises(StateConflict):
            await storage.change_batch(batch.id, conflicting)
        await storage.change_batch(batch.id, writing(settled_requests=2))
        await storage.change_batch(batch.id, writing(batch=batch))
        with pytest.raises(LimitExceeded):
            await reserve(storage, file, most, requests=8)
        await reserve(storage, file, most, requests=7)

    async def test_a_repetition_reserves_nothing(self, storage: Storage) -> None:
        """It is the same batch, even where there is no room for another."""
        file = await stored_file(storage)
        batch = a_batch(file)
        change = BatchChange(batch=batch, reservations=reserving(limits(max_open_batches=1)))
        request = a_request(batch, key="k")
        first = await storage.create_batch(file.id, lambda _: change, request=request)
        assert await storage.create_batch(file.id, lambda _: change, request=request) == first

    @pytest.mark.parametrize("most", [{"max_open_batches": 5}, {"max_enqueued_requests": 50}])
    async def test_the_last_unit_is_given_out_once(
        self, storages: Sequence[Storage], most: dict[str, int]
    ) -> None:
        """However many want it at once, in whatever order they name their scopes."""
        files = [await stored_file(storages[0]) for _ in range(12)]
        scopes = [limits("team:a", **most), limits("key:1", max_open_batches=ALL), limits("user:7")]
        scopes[2] = limits("user:7", max_open_batches=ALL)
        refused = 0

        async def one(number: int) -> None:
            nonlocal refused
            turned = scopes[number % 3 :] + scopes[: number % 3]
            try:
                await reserve(storages[number % len(storages)], files[number], *turned)
            except LimitExceeded:
                refused += 1

        async with anyio.create_task_group() as tasks:
            for number in range(12):
                tasks.start_soon(one, number)
        assert refused == 7
        opened = [(await file_state_of(storages[0], file)).open_batches for file in files]
        assert sum(opened) == 5
