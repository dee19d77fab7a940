"""Shards of batch inputs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from litebatch_asgi.errors import StateConflict
from litebatch_asgi.models import Batch, BatchChange, BatchStatus, File, FileState, Shard
from litebatch_asgi.storage import Storage
from litebatch_asgi.testing.conformance.base import (
    StorageTests,
    file_state_of,
    file_writing,
    state_of,
    stored_batch,
    stored_file,
    writing,
)
from litebatch_asgi.testing.samples import a_batch, a_copy, a_file, a_job, a_shard

BITMAP = bytes(range(256)) * 8


def tiles(file: File, count: int = 3) -> list[Shard]:
    """Tiles of `file`, in order."""
    return [a_shard(file, shard=number, root=number, start=100 * number) for number in range(count)]


def derived(batch: Batch, shard: int, **fields: object) -> Shard:
    """A derived shard of `batch`."""
    file = a_file(id=batch.input_file_id)
    return a_shard(file, batch_id=batch.id, shard=shard, **fields)


async def tiled_file(storage: Storage, count: int = 3) -> File:
    """A file with tiles that is in the database."""
    file = a_file()
    await storage.create_file(file, [], shards=tiles(file, count))
    return file


class ShardTests(StorageTests):
    """Shards of batch inputs."""

    async def test_a_file_comes_back_with_its_tiles(self, storage: Storage) -> None:
        """In order, whatever order they were written in; as the creation has returned it."""
        file = a_file()
        copy = a_copy(file, shard=2)
        written = await storage.create_file(file, [copy], shards=tiles(file, 11)[::-1])
        expected = FileState(file=file, copies=(copy,), open_batches=0, shards=tuple(tiles(file, 11)))
        assert written == expected
        assert await storage.get_file(file.id) == expected

    async def test_a_file_may_have_no_tiles(self, storage: Storage) -> None:
        """As one that is no batch input."""
        file = await stored_file(storage, file=a_file(endpoint=None))
        assert (await file_state_of(storage, file)).shards == ()
        assert await storage.shards.get(file.id, 0) is None

    async def test_shards_come_back_as_they_were_written(self, storage: Storage) -> None:
        """Every field, at the edges of what it may hold, of a tile and of a derived shard."""
        file = a_file()
        large = {"start": 2**40, "bytes": 2**41, "first_line": 500_000, "lines": 100_000, "tokens": 2**42}
        tile = a_shard(
            file, shard=7, root=7, id_count=100_000, id_sum=2**128 - 1, sha256="00ff" * 16, **large
        )
        await storage.create_file(file, [], shards=[tile])
        batch = await stored_batch(storage, batch=a_batch(file))
        rest = derived(batch, 2**30, root=7, id_sum=2**127, lines_of_root=BITMAP, **large)
        await storage.change_batch(batch.id, writing(new_shards=(rest,)))
        assert await storage.shards.get(file.id, 7) == tile
        assert await storage.shards.get(file.id, 2**30) == rest

    async def test_shards_that_are_not_there_are_none(self, storage: Storage) -> None:
        """Neither a number nor a file that is unknown is an error; a batch may have none."""
        file = await tiled_file(storage)
        assert await storage.shards.get(file.id, 3) is None
        assert await storage.shards.get("file-lb-unknown", 0) is None
        assert await storage.shards.of_batch("batch_lb-unknown") == []

    async def test_a_file_and_its_tiles_are_written_together_or_not_at_all(self, storage: Storage) -> None:
        """Two tiles with one number cannot be, so that the file is not there either."""
        file = a_file()
        with pytest.raises(StateConflict):
            await storage.create_file(file, [], shards=[a_shard(file), a_shard(file)])
        assert await storage.get_file(file.id) is None
        assert await storage.shards.get(file.id, 0) is None

    async def test_derived_shards_belong_to_their_batch(self, storage: Storage) -> None:
        """In order of their numbers. They are no tiles of the file."""
        file = await tiled_file(storage)
        batch, other = a_batch(file), a_batch(file)
        first = BatchChange(batch=batch, new_jobs=(a_job(batch),), new_shards=(derived(batch, 5),))
        await storage.create_batch(file.id, lambda _: first)
        await stored_batch(storage, batch=other)
        await storage.change_batch(other.id, writing(new_shards=(derived(other, 4),)))
        more = (derived(batch, 12, root=1), derived(batch, 3, root=2))
        await storage.change_batch(batch.id, writing(new_shards=more))
        assert [each.shard for each in await storage.shards.of_batch(batch.id)] == [3, 5, 12]
        assert await storage.shards.of_batch(other.id) == [derived(other, 4)]
        assert (await file_state_of(storage, file)).shards == tuple(tiles(file))

    @pytest.mark.parametrize("number", [1, 7])
    async def test_a_number_is_given_to_one_shard(self, storage: Storage, number: int) -> None:
        """Neither a tile's nor another derived shard's can be taken; nothing else is written then."""
        file = await tiled_file(storage)
        batch = await stored_batch(storage, batch=a_batch(file))
        await storage.change_batch(batch.id, writing(new_shards=(derived(batch, 7),)))
        changed = replace(batch, status=BatchStatus.IN_PROGRESS)
        taken = writing(batch=changed, new_shards=(derived(batch, 8), derived(batch, number)))
        with pytest.raises(StateConflict):
            await storage.change_batch(batch.id, taken)
        assert (await state_of(storage, batch)).batch == batch
        assert await storage.shards.of_batch(batch.id) == [derived(batch, 7)]

    async def test_changes_of_many_write_shards_too(self, storage: Storage) -> None:
        """Each those of its batch."""
        file = await tiled_file(storage)
        batches = [await stored_batch(storage, batch=a_batch(file)) for _ in range(3)]
        numbers = {batch.id: number for number, batch in enumerate(batches, start=10)}
        await storage.change_batches(
            list(numbers),
            lambda state: BatchChange(
                batch=state.batch, new_shards=(derived(state.batch, numbers[state.batch.id]),)
            ),
        )
        for batch in batches:
            found = await storage.shards.of_batch(batch.id)
            assert found == [derived(batch, numbers[batch.id])]

    async def test_changes_and_batches_see_the_tiles(self, storage: Storage) -> None:
        """As the file's state has them; and what a change returns has them too."""
        file = await tiled_file(storage)
        seen: list[FileState] = []

        def admit(state: FileState) -> BatchChange:
            seen.append(state)
            return BatchChange(batch=a_batch(file))

        await storage.create_batch(file.id, admit)
        after = await storage.change_file(file.id, file_writing(file=replace(file, next_shard=9)))
        assert seen[0].shards == after.shards == tuple(tiles(file))
        assert after == await file_state_of(storage, file)

    async def test_shards_go_with_what_they_belong_to(self, storage: Storage) -> None:
        """A derived one with its batch, which leaves the tiles; those with the file."""
        file = await tiled_file(storage)
        ended = datetime(2026, 1, 1, tzinfo=UTC)
        batch = a_batch(file, status=BatchStatus.COMPLETED, completed_at=ended, created_at=ended)
        await storage.create_batch(
            file.id, lambda _: BatchChange(batch=batch, new_shards=(derived(batch, 4),))
        )
        pruned = await storage.pruning.ended_batches(ended + timedelta(days=1), after=None, limit=9)
        assert pruned.removed == 1
        assert await storage.shards.of_batch(batch.id) == []
        assert await storage.shards.get(file.id, 4) is None
        assert (await file_state_of(storage, file)).shards == tuple(tiles(file))
        await storage.change_file(file.id, file_writing(remove=True))
        assert await storage.shards.get(file.id, 0) is None
