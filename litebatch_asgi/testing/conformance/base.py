"""What the tests of storages share."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from enum import StrEnum
from typing import Any, ClassVar, TypeAlias

import pytest
from msgspec.structs import replace

from litebatch_asgi.models import Batch, BatchChange, BatchState, File, FileChange, FileCopy, FileState, Job
from litebatch_asgi.storage import Storage
from litebatch_asgi.testing.samples import a_batch, a_file, a_job

NewStorage: TypeAlias = Callable[[], Storage]
"""Each call makes another storage, not yet opened, on the one database of the test."""


class Capability(StrEnum):
    """What not every storage is there for."""

    PERSISTENT = "persistent"
    """what was written outlives the storage object"""
    SHARED = "shared"
    """several storages may be open on one database at once"""


@pytest.mark.anyio
class StorageTests:
    """Fixtures, and what most tests begin with."""

    capabilities: ClassVar[frozenset[Capability]] = frozenset()

    @pytest.fixture
    def anyio_backend(self) -> str:
        """Storages run on asyncio."""
        return "asyncio"

    @pytest.fixture
    def new_storage(self) -> NewStorage:
        """Makes storages on an empty database."""
        raise NotImplementedError("a subclass of StorageConformance defines the fixture new_storage")

    @pytest.fixture
    async def storage(self, new_storage: NewStorage) -> AsyncGenerator[Storage]:
        """An open storage."""
        storage = new_storage()
        await storage.open()
        yield storage
        await storage.close()

    @pytest.fixture
    async def storages(self, storage: Storage, new_storage: NewStorage) -> AsyncGenerator[Sequence[Storage]]:
        """Several open storages on one database, or one where it cannot be shared."""
        if Capability.SHARED not in self.capabilities:
            yield [storage]
            return
        others = [new_storage() for _ in range(2)]
        for other in others:
            await other.open()
        yield [storage, *others]
        for other in others:
            await other.close()

    def skip_without(self, capability: Capability) -> None:
        """Skip the test where the storage is not there for it."""
        if capability not in self.capabilities:
            pytest.skip(f"not offered: {capability}")


async def stored_file(storage: Storage, *copies: FileCopy, file: File | None = None) -> File:
    """A file that is in the database."""
    file = file or a_file()
    await storage.create_file(file, [replace(copy, file_id=file.id, owner=file.owner) for copy in copies])
    return file


async def stored_batch(storage: Storage, *jobs: Job, batch: Batch | None = None, **fields: Any) -> Batch:
    """A batch that is in the database, with its input file; without `jobs` it has one."""
    batch = batch or a_batch(a_file(), **fields)
    change = BatchChange(
        batch=batch,
        new_jobs=tuple(replace(job, batch_id=batch.id, owner=batch.owner) for job in jobs) or (a_job(batch),),
    )
    if await storage.get_file(batch.input_file_id) is None:
        await storage.create_file(a_file(id=batch.input_file_id, owner=batch.owner), [])
    await storage.create_batch(batch.input_file_id, lambda _: change)
    return batch


async def stored_job(storage: Storage, **fields: Any) -> Job:
    """The only job of a batch of its own, in the database."""
    batch = a_batch(a_file())
    job = a_job(batch, **fields)
    await stored_batch(storage, job, batch=batch)
    return job


async def state_of(storage: Storage, batch: Batch | Job) -> BatchState:
    """The batch, or that of the job, as it is in the database."""
    state = await storage.get_batch_state(batch.batch_id if isinstance(batch, Job) else batch.id)
    assert state is not None
    return state


async def file_state_of(storage: Storage, file: File) -> FileState:
    """The file as it is in the database."""
    state = await storage.get_file(file.id)
    assert state is not None
    return state


def writing(**fields: Any) -> Callable[[BatchState], BatchChange]:
    """A decision that sets fields of the change whatever the state; the batch stays as it is."""
    return lambda state: replace(BatchChange(batch=state.batch), **fields)


def file_writing(**fields: Any) -> Callable[[FileState], FileChange]:
    """A decision that sets fields of the change whatever the state."""
    return lambda _: FileChange(**fields)
