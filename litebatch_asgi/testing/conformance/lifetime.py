"""Opening, closing, and what lasts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

import anyio
import pytest

from litebatch_asgi.errors import StorageUnavailable
from litebatch_asgi.models import Delivery, FailedAttempt, OutboxItem, RegisteredSink, Work
from litebatch_asgi.storage import BatchQuery, FileQuery, Installation, Storage
from litebatch_asgi.testing.conformance.base import (
    Capability,
    NewStorage,
    StorageTests,
    file_state_of,
    file_writing,
    state_of,
    stored_batch,
    stored_file,
    writing,
)
from litebatch_asgi.testing.samples import a_batch, a_content, a_copy, a_file, a_job, an_event

Call: TypeAlias = Callable[[Storage], Awaitable[object]]

FILE = a_file()
CONTENT = a_content()
SINK = RegisteredSink(name="sink", is_ordered=True)
ITEM = OutboxItem(
    delivery=Delivery(sink="sink", event_id="event", subject="batch", seq=1, created_at=FILE.created_at),
    event=an_event(a_batch(FILE)),
)
CALLS: dict[str, Call] = {
    "now": lambda storage: storage.now(),
    "create_file": lambda storage: storage.create_file(FILE, []),
    "get_file": lambda storage: storage.get_file(FILE.id),
    "file_parts": lambda storage: anext(aiter(storage.file_parts(FILE.id)), None),
    "list_files": lambda storage: storage.list_files(FileQuery(owner=None, now=FILE.created_at, limit=1)),
    "change_file": lambda storage: storage.change_file(FILE.id, file_writing(remove=True)),
    "create_batch": lambda storage: storage.create_batch(FILE.id, lambda _: pytest.fail("was called")),
    "get_batch": lambda storage: storage.get_batch("batch"),
    "get_batch_state": lambda storage: storage.get_batch_state("batch"),
    "list_batches": lambda storage: storage.list_batches(BatchQuery(owner=None, limit=1)),
    "change_batch": lambda storage: storage.change_batch("batch", writing()),
    "change_batches": lambda storage: storage.change_batches(["batch"], writing()),
    "claims.refresh": lambda storage: storage.claims.refresh(["batch"]),
    "claims.due": lambda storage: storage.claims.due(["east"]),
    "claims.claim_jobs": lambda storage: storage.claims.claim_jobs(
        "worker", lease_seconds=1, room={"east": 1}, work=Work.PLACE
    ),
    "claims.claim_copies": lambda storage: storage.claims.claim_copies(
        "worker", lease_seconds=1, room={"east": 1}
    ),
    "claims.renew": lambda storage: storage.claims.renew([a_job(a_batch(FILE))], lease_seconds=1),
    "claims.postpone": lambda storage: storage.claims.postpone([a_job(a_batch(FILE))]),
    "open_requests": lambda storage: storage.open_requests(),
    "known_provider_batches": lambda storage: storage.known_provider_batches("east", ["batch"]),
    "unanswered_jobs": lambda storage: storage.unanswered_jobs("east", 3),
    "list_events": lambda storage: storage.list_events(),
    "outbox.register": lambda storage: storage.outbox.register([SINK]),
    "outbox.claim": lambda storage: storage.outbox.claim("worker", SINK, limit=1, lease_seconds=1),
    "outbox.delivered": lambda storage: storage.outbox.delivered([ITEM]),
    "outbox.failed": lambda storage: storage.outbox.failed(
        SINK, [FailedAttempt(delivery=ITEM.delivery, error="no", retry_seconds=1)]
    ),
    "outbox.give_back": lambda storage: storage.outbox.give_back([ITEM]),
    "outbox.dead": lambda storage: storage.outbox.dead(limit=1),
    "outbox.replay": lambda storage: storage.outbox.replay(limit=1),
    "outbox.backlog": lambda storage: storage.outbox.backlog(),
    "outbox.remove_unseen": lambda storage: storage.outbox.remove_unseen(FILE.created_at, limit=1),
    "outbox.event": lambda storage: storage.outbox.event("event"),
    "outbox.events": lambda storage: storage.outbox.events("batch", limit=1),
    "heartbeats.beat": lambda storage: storage.heartbeats.beat("worker", {}, lapse_seconds=1),
    "heartbeats.in_use": lambda storage: storage.heartbeats.in_use(),
    "heartbeats.gone": lambda storage: storage.heartbeats.gone(1, lapse_seconds=1),
    "heartbeats.served": lambda storage: storage.heartbeats.served(1),
    "contents.begin": lambda storage: storage.contents.begin(CONTENT, lease_seconds=1),
    "contents.get": lambda storage: storage.contents.get(CONTENT.key),
    "contents.abandon": lambda storage: storage.contents.abandon([CONTENT]),
    "contents.claim_due": lambda storage: storage.contents.claim_due(
        "worker", stores=["database"], limit=1, lease_seconds=1, watch_seconds=1
    ),
    "contents.postpone": lambda storage: storage.contents.postpone(CONTENT, CONTENT.created_at),
    "contents.remove": lambda storage: storage.contents.remove(CONTENT),
    "contents.outgrown": lambda storage: storage.contents.outgrown("database"),
    "contents.put_chunk": lambda storage: storage.contents.put_chunk(CONTENT.key, 0, b"chunk"),
    "contents.get_chunk": lambda storage: storage.contents.get_chunk(CONTENT.key, 0),
    "contents.delete_chunks": lambda storage: storage.contents.delete_chunks(CONTENT.key, limit=1),
    "pruning.ended_batches": lambda storage: storage.pruning.ended_batches(
        FILE.created_at, after=None, limit=1
    ),
    "pruning.deleted_files": lambda storage: storage.pruning.deleted_files(
        FILE.created_at, after=None, limit=1
    ),
    "pruning.idempotency_keys": lambda storage: storage.pruning.idempotency_keys(FILE.created_at, limit=1),
}


class LifetimeTests(StorageTests):
    """Opening, closing, and what lasts."""

    async def test_opening_makes_an_installation_id(self, new_storage: NewStorage) -> None:
        """There is one, and the schema has a version."""
        storage = new_storage()
        installation = await storage.open()
        await storage.close()
        assert installation.id
        assert installation.schema_version >= 1

    async def test_the_installation_id_stays(self, new_storage: NewStorage) -> None:
        """It is made once a database."""
        self.skip_without(Capability.PERSISTENT)
        found: list[Installation] = []
        for _ in range(2):
            storage = new_storage()
            found.append(await storage.open())
            await storage.close()
        assert found[0] == found[1]

    async def test_several_may_open_a_new_database_at_once(self, new_storage: NewStorage) -> None:
        """All of them see the same installation."""
        self.skip_without(Capability.SHARED)
        found: list[Installation] = []

        async def open_and_close() -> None:
            storage = new_storage()
            found.append(await storage.open())
            await storage.close()

        async with anyio.create_task_group() as tasks:
            for _ in range(4):
                tasks.start_soon(open_and_close)
        assert len({installation.id for installation in found}) == 1

    async def test_what_was_written_is_there_after_reopening(self, new_storage: NewStorage) -> None:
        """Files, copies, batches and jobs as they were."""
        self.skip_without(Capability.PERSISTENT)
        storage = new_storage()
        await storage.open()
        file = await stored_file(storage, a_copy(a_file()))
        batch = await stored_batch(storage)
        file_state, batch_state = await file_state_of(storage, file), await state_of(storage, batch)
        await storage.close()
        again = new_storage()
        await again.open()
        assert await file_state_of(again, file) == file_state
        assert await state_of(again, batch) == batch_state
        await again.close()

    async def test_one_storage_sees_at_once_what_another_wrote(self, new_storage: NewStorage) -> None:
        """What was written before is seen by everything that begins after."""
        self.skip_without(Capability.SHARED)
        writer, reader = new_storage(), new_storage()
        await writer.open()
        await reader.open()
        files = [await stored_file(writer)]
        for _ in range(10):
            assert (await file_state_of(reader, files[-1])).file == files[-1]
            files.append(await stored_file(writer))
        await reader.close()
        assert (await file_state_of(writer, files[0])).file == files[0]
        await writer.close()

    async def test_closing_twice_is_harmless(self, new_storage: NewStorage) -> None:
        """As is closing what was never opened."""
        storage = new_storage()
        await storage.close()
        await storage.open()
        await storage.close()
        await storage.close()

    async def test_a_closed_storage_can_be_opened_again(self, new_storage: NewStorage) -> None:
        """The same object works once more."""
        storage = new_storage()
        await storage.open()
        await storage.close()
        await storage.open()
        file = await stored_file(storage)
        assert await storage.get_file(file.id) is not None
        await storage.close()

    @pytest.mark.parametrize("name", CALLS)
    async def test_without_a_connection_every_method_says_so(
        self, new_storage: NewStorage, name: str
    ) -> None:
        """Before opening and after closing there is no database that answers."""
        storage = new_storage()
        with pytest.raises(StorageUnavailable):
            await CALLS[name](storage)
        await storage.open()
        await storage.close()
        with pytest.raises(StorageUnavailable):
            await CALLS[name](storage)
