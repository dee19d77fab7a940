"""An id tells nothing by how long it takes: whatever is named, the storage is asked as often."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable

import pytest

from litebatch_asgi.app import LiteBatch
from litebatch_asgi.errors import InvalidRequest, NotFound
from litebatch_asgi.models import Batch, Deployment, FileState, Principal
from litebatch_asgi.models.ids import BATCH_PREFIX, FILE_PREFIX, new_id
from litebatch_asgi.testing import MemoryStorage, a_batch, a_file
from litebatch_asgi.testing.conformance.base import stored_batch
from tests.harness import ENDPOINT, MODEL

STRANGER = Principal(owner="stranger")
Call = Callable[[LiteBatch, str, str], Awaitable[object]]
CALLS: dict[str, Call] = {
    "retrieve a file": lambda gateway, file, _: gateway.files.retrieve(STRANGER, file),
    "delete a file": lambda gateway, file, _: gateway.files.delete(STRANGER, file),
    "read a file": lambda gateway, file, _: anext(gateway.files.content(STRANGER, file)),
    "list files after": lambda gateway, file, _: gateway.files.list(STRANGER, after=file),
    "retrieve a batch": lambda gateway, _, batch: gateway.batches.retrieve(STRANGER, batch),
    "cancel a batch": lambda gateway, _, batch: gateway.batches.cancel(STRANGER, batch),
    "read the story of a batch": lambda gateway, _, batch: gateway.batches.events(STRANGER, batch),
    "list batches after": lambda gateway, _, batch: gateway.batches.list(STRANGER, after=batch),
    "create a batch": lambda gateway, file, _: gateway.batches.create(
        STRANGER, input_file_id=file, endpoint=ENDPOINT, completion_window="24h"
    ),
}


class Counting(MemoryStorage):
    """Counts what is asked about files and batches."""

    reads = 0

    async def get_file(self, file_id: str) -> FileState | None:
        self.reads += 1
        return await super().get_file(file_id)

    async def get_batch(self, batch_id: str) -> Batch | None:
        self.reads += 1
        return await super().get_batch(batch_id)


@pytest.fixture
def storage() -> Counting:
    return Counting()


@pytest.fixture
async def gateway(storage: Counting) -> AsyncGenerator[LiteBatch]:
    deployment = Deployment(model_name=MODEL, model="openai/m", api_base="http://127.0.0.1:9/v1")
    litebatch = LiteBatch(deployments=[deployment], storage=storage, authenticator=lambda _: STRANGER)
    async with litebatch.lifespan():
        yield litebatch


@pytest.mark.parametrize("name", CALLS)
async def test_every_id_costs_as_many_reads(gateway: LiteBatch, storage: Counting, name: str) -> None:
    file = a_file(owner="somebody")
    batch = a_batch(file)
    await stored_batch(storage, batch=batch)
    reads: set[int] = set()
    for file_id, batch_id in (
        (file.id, batch.id),
        (new_id(FILE_PREFIX), new_id(BATCH_PREFIX)),
        ("file-abc123", "batch_abc123"),
        ("", ""),
    ):
        storage.reads = 0
        with pytest.raises((NotFound, InvalidRequest)):
            await CALLS[name](gateway, file_id, batch_id)
        reads.add(storage.reads)
    assert reads == {1}
