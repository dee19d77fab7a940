"""What every `InstallationStore` has to do, as tests for whoever writes one.

They come with the fixtures of `StorageConformance`: the store is found on a storage.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from litebatch_asgi.errors import StateConflict
from litebatch_asgi.installations import COPIED, InstallationStore, installations_of
from litebatch_asgi.models import (
    BatchChange,
    BatchStatus,
    CopyState,
    Counts,
    FileHold,
    FileKind,
    JobState,
    Limits,
    Reservation,
    UploadStatus,
    Work,
)
from litebatch_asgi.storage import FileQuery, Storage
from litebatch_asgi.testing.conformance.base import (
    NewStorage,
    StorageTests,
    file_state_of,
    file_writing,
    state_of,
    stored_batch,
    stored_file,
    stored_job,
    writing,
)
from litebatch_asgi.testing.conformance.ledger import all_sums
from litebatch_asgi.testing.conformance.repeats import again, both, made, repeated
from litebatch_asgi.testing.conformance.uploads import begun as begun_upload
from litebatch_asgi.testing.conformance.uploads import with_part
from litebatch_asgi.testing.samples import (
    a_batch,
    a_charge,
    a_content,
    a_copy,
    a_file,
    a_part,
    a_stored_part,
    an_event,
)

HOUR = 3600.0
OPEN = (
    *(JobState.WAITING, JobState.SUBMITTING, JobState.UNCLEAR, JobState.SUBMITTED),
    *(JobState.ENDED, JobState.WATCHED),
)


class InstallationConformance(StorageTests):
    """All the tests. A subclass defines the fixture `new_storage`, over a database that lasts."""

    @pytest.fixture
    async def storage(self, new_storage: NewStorage) -> AsyncGenerator[Storage]:
        """An open storage; a test may close it and open it again."""
        storage = new_storage()
        await storage.open()
        yield storage
        await storage.close()

    async def test_a_new_database_lives_where_it_is(self, new_storage: NewStorage) -> None:
        """And says so from then on."""
        storage = new_storage()
        installation = await storage.open()
        await storage.close()
        seen = await installations_of(storage).look(alive_seconds=HOUR)
        assert seen.installation == installation
        assert seen.is_at_home
        assert seen.present == installation.fingerprint
        assert seen.alive == 0

    async def test_processes_that_have_beaten_lately_are_alive(self, storage: Storage) -> None:
        """As many as have beaten within the time that was asked for."""
        for worker in ("first", "second", "first"):
            await storage.heartbeats.beat(worker, {}, lapse_seconds=HOUR)
        store = await closed(storage)
        assert (await store.look(alive_seconds=HOUR)).alive == 2
        assert (await store.look(alive_seconds=0)).alive == 0

    async def test_nothing_is_settled_while_a_process_is_alive(self, storage: Storage) -> None:
        """Nothing is written then."""
        job = await stored_job(storage)
        await storage.heartbeats.beat("worker", {}, lapse_seconds=HOUR)
        store = await closed(storage)
        before = await store.look(alive_seconds=HOUR)
        with pytest.raises(StateConflict, match="within the last 3600 seconds: 1"):
            await store.copied(idle_seconds=HOUR)
        with pytest.raises(StateConflict):
            await store.moved(idle_seconds=HOUR)
        assert await store.look(alive_seconds=HOUR) == before
        await storage.open()
        assert (await state_of(storage, job)).jobs[0].state is JobState.WAITING

    async def test_nothing_is_settled_while_the_storage_is_open(self, storage: Storage) -> None:
        """Neither looked at."""
        store = installations_of(storage)
        for call in (
            store.look(alive_seconds=0),
            store.moved(idle_seconds=0),
            store.copied(idle_seconds=0),
        ):
            with pytest.raises(StateConflict):
                await call
        assert await storage.get_file("file") is None  # it is open still

    async def test_moving_keeps_the_id_and_all_rows(self, storage: Storage) -> None:
        """It is not known from elsewhere what was written here before."""
        job = await stored_job(storage)
        before = await state_of(storage, job)
        store = await closed(storage)
        installation = (await store.look(alive_seconds=0)).installation
        assert await store.moved(idle_seconds=HOUR) == installation
        assert await storage.open() == installation
        assert await state_of(storage, job) == before

    async def test_a_copy_gets_an_id_of_its_own(self, storage: Storage) -> None:
        """It lives where it is, and its schema is what it was."""
        store = await closed(storage)
        before = (await store.look(alive_seconds=0)).installation
        copied = await store.copied(idle_seconds=HOUR)
        assert copied.installation == replace(before, id=copied.installation.id)
        assert copied.installation.id != before.id
        assert await storage.open() == copied.installation

    async def test_no_job_of_the_original_is_looked_at_again(self, storage: Storage) -> None:
        """Open ones and watched ones are closed, those that have ended stay what they are."""
        jobs = {state: await stored_job(storage, state=state) for state in JobState}
        copied = await (await closed(storage)).copied(idle_seconds=HOUR)
        assert copied.jobs == len(JobState)  # all of them are due
        await storage.open()
        for state, job in jobs.items():
            (written,) = (await state_of(storage, job)).jobs
            assert written.state is (JobState.CLOSED if state in OPEN else state)
            assert [written.next_check_at, written.refresh_from, written.claimed_by] == [None] * 3
            assert (written.reason == COPIED.code) == (state in OPEN)
        room = {"east": 100, None: 100}
        for work in Work:
            assert await storage.claims.claim_jobs("worker", lease_seconds=1, room=room, work=work) == []
        assert await storage.open_requests() == {}

    async def test_contents_elsewhere_are_left_to_the_original(self, storage: Storage) -> None:
        """They can be read while they last; those in the database are the copy's own."""
        contents = [a_content(), a_content(store="s3://bucket/prefix")]
        files = [await stored_file(storage, file=a_file(kind=FileKind.OUTPUT)) for _ in contents]
        for file, content in zip(files, contents, strict=True):
            await storage.contents.begin(content, lease_seconds=HOUR)
            part = a_stored_part(file, content)
            await storage.change_file(file.id, file_writing(parts=(part,)))
        await (await closed(storage)).copied(idle_seconds=HOUR)
        await storage.open()
        for file, content in zip(files, contents, strict=True):
            assert [part async for part in storage.file_parts(file.id)] == [a_stored_part(file, content)]
            await storage.change_file(file.id, file_writing(remove=True))
        due = await storage.contents.claim_due(
            "worker",
            stores=[content.store for content in contents],
            limit=9,
            lease_seconds=HOUR,
            watch_seconds=HOUR,
        )
        assert [each.key for each in due] == [contents[0].key]

    async def test_uploads_are_left_to_the_original(self, storage: Storage) -> None:
        """The copy has none of them, and deletes what it has itself of their parts."""
        upload, ended = [await begun_upload(storage) for _ in range(2)]
        part = await with_part(storage, upload)
        await storage.uploads.end(ended.id, UploadStatus.CANCELLED, ended.created_at)
        await (await closed(storage)).copied(idle_seconds=HOUR)
        await storage.open()
        for each in (upload, ended):
            assert await storage.uploads.get(each.id) is None
        due = await storage.contents.claim_due(
            "worker", stores=["database"], limit=9, lease_seconds=HOUR, watch_seconds=HOUR
        )
        assert [each.key for each in due] == [part.content_key]

    async def test_a_claim_on_a_job_of_the_original_is_void(self, storage: Storage) -> None:
        """Whoever holds one can write no more."""
        job = await stored_job(storage)
        (claimed,) = await storage.claims.claim_jobs(
            "worker", lease_seconds=HOUR, room={"east": 1}, work=Work.PLACE
        )
        await (await closed(storage)).copied(idle_seconds=HOUR)
        await storage.open()
        assert await storage.claims.renew([claimed], lease_seconds=HOUR) == []
        batch = (await state_of(storage, job)).batch
        with pytest.raises(StateConflict):
            await storage.change_batch(batch.id, writing(jobs=(claimed,)))

    async def test_open_batches_of_the_original_fail(self, storage: Storage) -> None:
        """They say why, count nothing as done, and hold nothing of anybody's limits."""
        counts = Counts(total=5, completed=3, failed=1)
        batches = {
            status: await stored_batch(storage, status=status, counts=counts) for status in BatchStatus
        }
        limited = a_batch(await stored_file(storage))
        await storage.create_batch(
            limited.input_file_id,
            lambda _: BatchChange(batch=limited, reservations=(reservation(),)),
        )
        copied = await (await closed(storage)).copied(idle_seconds=HOUR)
        assert copied.batches == 1 + sum(not status.is_final for status in BatchStatus)
        await storage.open()
        for status, batch in batches.items():
            written = (await state_of(storage, batch)).batch
            if status.is_final:
                assert written == replace(batch, answered_at=written.answered_at)
            else:
                assert written.status is BatchStatus.FAILED
                assert written.errors == (COPIED,)
                assert written.failed_at is not None
                assert written.counts == Counts(total=5)
        next_batch = a_batch(await stored_file(storage))
        change = BatchChange(batch=next_batch, reservations=(reservation(),))
        await storage.create_batch(next_batch.input_file_id, lambda _: change)

    async def test_all_copies_of_the_original_are_forgotten(self, storage: Storage) -> None:
        """Nobody looks at one again, and none can be used, in whatever state it was."""
        files = [
            await stored_file(storage, a_copy(a_file(), state=state, provider_file_id="theirs"))
            for state in CopyState
        ]
        copied = await (await closed(storage)).copied(idle_seconds=HOUR)
        assert copied.copies == len(CopyState)
        await storage.open()
        for file in files:
            (copy,) = (await file_state_of(storage, file)).copies
            assert copy.state is CopyState.DELETED
            assert [copy.provider_file_id, copy.next_check_at, copy.claimed_by] == [None] * 3
            assert [copy.started_at, copy.search_until, copy.watch_until] == [None] * 3
        assert await storage.claims.claim_copies("worker", lease_seconds=1, room={"east": 100}) == []
        assert await storage.heartbeats.in_use() == []

    async def test_a_claim_on_a_copy_of_the_original_is_void(self, storage: Storage) -> None:
        """Whoever holds one can write no more."""
        await stored_file(storage, a_copy(a_file()))
        (claimed,) = await storage.claims.claim_copies("worker", lease_seconds=HOUR, room={"east": 1})
        await (await closed(storage)).copied(idle_seconds=HOUR)
        await storage.open()
        assert await storage.claims.renew([claimed], lease_seconds=HOUR) == []

    async def test_input_files_of_the_original_are_hidden(self, storage: Storage) -> None:
        """They are in no list, and their places are free."""
        shown, refused = a_file(models=("m",)), a_file(accepted_at=None)
        await storage.create_file(shown, [a_copy(shown)], holds=[one_place()])
        await storage.create_file(refused, [a_copy(refused)])
        copied = await (await closed(storage)).copied(idle_seconds=HOUR)
        assert copied.input_files == 2
        await storage.open()
        now = await storage.now()
        for query in (
            FileQuery(owner=None, now=now, limit=9),
            FileQuery(owner=shown.owner, now=now, limit=9),
            FileQuery(owner=None, now=now, limit=9, models=("m",)),
        ):
            assert await storage.list_files(query) == []
        for file in (shown, refused):
            assert (await file_state_of(storage, file)).file.deleted_at is not None
        await storage.create_file(a_file(), [], holds=[one_place()])

    async def test_results_of_the_original_stay(self, storage: Storage) -> None:
        """They are listed, and what they are made of is known."""
        batch = await stored_batch(storage)
        file = a_file(kind=FileKind.OUTPUT, purpose="batch_output", batch_id=batch.id, models=("m",))
        part = a_part(file, provider_file_id="theirs", deployment_id="east")
        change = {"files": (file,), "copies": (a_copy(file, state=CopyState.READY),), "parts": (part,)}
        await storage.change_batch(batch.id, writing(**change))
        await (await closed(storage)).copied(idle_seconds=HOUR)
        await storage.open()
        query = FileQuery(owner=None, now=await storage.now(), limit=9, models=("m",))
        (listed,) = await storage.list_files(query)
        assert listed == replace(file, answered_at=listed.answered_at)
        assert [each async for each in storage.file_parts(file.id)] == [part]

    @repeated
    @both
    async def test_a_repetition_gets_nothing_of_the_original(
        self, storage: Storage, kind: str, repeated: dict[str, Any]
    ) -> None:
        """With a key or without one."""
        await made(storage, kind, key=repeated.get("key"))
        copied = await (await closed(storage)).copied(idle_seconds=HOUR)
        assert copied.keys == len(repeated.keys() & {"key"})
        await storage.open()
        asked, given = await again(storage, kind, **repeated)
        assert given == asked

    async def test_events_and_heartbeats_of_the_original_go_and_charges_stay(self, storage: Storage) -> None:
        """The end of its open batches is no event either: it is not true of the original."""
        job = await stored_job(storage)
        batch = (await state_of(storage, job)).batch
        charge = a_charge(job, batch, cost=Decimal(3), scopes=("team:a",))
        await storage.change_batch(batch.id, writing(events=(an_event(batch),), charges=(charge,)))
        sums = await all_sums(storage, "team:a")
        assert sums[1] == {"team:a": 3}
        await storage.heartbeats.beat("worker", {"east": ["m"]}, lapse_seconds=HOUR)
        await (await closed(storage)).copied(idle_seconds=0)
        await storage.open()
        assert await storage.list_events() == []
        assert await storage.heartbeats.served(HOUR) == {}
        assert await all_sums(storage, "team:a") == sums
        with pytest.raises(StateConflict):  # it was charged for this model before
            await storage.change_batch(batch.id, writing(charges=(replace(charge, id="again"),)))


async def closed(storage: Storage) -> InstallationStore:
    """Close a storage; where its database lives."""
    await storage.close()
    return installations_of(storage)


def one_place() -> FileHold:
    """A place where there is one only."""
    return FileHold(scope="key:k", limits=(Limits(scope="key:k", max_files=1),))


def reservation() -> Reservation:
    """All that one key may have."""
    limits = Limits(scope="key:k", max_open_batches=1)
    return Reservation(scope="key:k", requests=1, tokens=1, at=datetime.now(UTC), limits=(limits,))
