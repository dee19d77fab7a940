"""Requests that come again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import anyio
import pytest
from msgspec.structs import replace

from litebatch_asgi.errors import InvalidRequest, KeyReused, RequestUnderWay, StateConflict
from litebatch_asgi.models import (
    Batch,
    BatchChange,
    BatchState,
    BatchStatus,
    CreateRequest,
    File,
    FileChange,
    FileState,
)
from litebatch_asgi.models.repeats import KEY_LIVES, RETRIED_WITHIN
from litebatch_asgi.storage import Storage
from litebatch_asgi.testing.conformance.base import StorageTests, file_writing, stored_file, writing
from litebatch_asgi.testing.samples import a_batch, a_copy, a_file, a_request

Made: TypeAlias = File | Batch
MOMENT = timedelta(microseconds=1)
SOON = timedelta(seconds=60)

repeated: pytest.MarkDecorator = pytest.mark.parametrize("repeated", [{"key": "k"}, {"is_retry": True}])
both: pytest.MarkDecorator = pytest.mark.parametrize("kind", ["file", "batch"])


async def new(storage: Storage, kind: str, **fields: Any) -> Made:
    """An object that is still to be created; of a batch the input is there."""
    if kind == "file":
        return a_file(**fields)
    return a_batch(await stored_file(storage), **fields)


async def create(storage: Storage, made: Made, request: CreateRequest) -> Made:
    """Create an object for a request; what the storage returned."""
    if isinstance(made, File):
        return (await storage.create_file(made, [], request=request)).file
    state = await storage.create_batch(made.input_file_id, lambda _: BatchChange(batch=made), request=request)
    return state.batch


async def made(storage: Storage, kind: str, *, key: str | None = None, **fields: Any) -> Made:
    """An object that was created for the fingerprint `same`."""
    first = await new(storage, kind, request_fingerprint="same", **fields)
    request = a_request(first, fingerprint="same", at=first.created_at, key=key)
    assert await create(storage, first, request) == first
    return first


async def again(storage: Storage, kind: str, **fields: Any) -> tuple[Made, Made]:
    """What another request with the fingerprint `same` would make, and what it got."""
    second = await new(storage, kind, request_fingerprint="same")
    request = a_request(second, fingerprint="same", **fields)
    return second, await create(storage, second, request)


async def is_there(storage: Storage, made: Made) -> bool:
    """Whether the object is in the database."""
    if isinstance(made, File):
        return await storage.get_file(made.id) is not None
    return await storage.get_batch(made.id) is not None


async def upload_under_way(storage: Storage, *, seconds: float, key: str | None = None) -> File:
    """A file that is not accepted, with a copy claimed for so many seconds."""
    file = a_file(accepted_at=None, request_fingerprint="same")
    copy = a_copy(file, claimed_by="uploader")
    request = a_request(file, fingerprint="same", key=key)
    await storage.create_file(file, [copy], request=request, lease_seconds=seconds)
    return file


class RepeatTests(StorageTests):
    """Requests that come again."""

    @both
    async def test_the_same_key_leads_to_the_same_object(self, storage: Storage, kind: str) -> None:
        """With all that hangs on it; what would have been made is not there."""
        first = await made(storage, kind, key="k")
        second, got = await again(storage, kind, key="k")
        assert got == first
        assert not await is_there(storage, second)

    async def test_what_a_key_leads_to_is_as_it_is_now(self, storage: Storage) -> None:
        """Copies and jobs included."""
        file = a_file()
        written = await storage.create_file(file, [a_copy(file)], request=a_request(file, key="k"))
        changed = await storage.change_file(file.id, file_writing(file=replace(file, lines=7)))
        assert written == replace(changed, file=file)
        assert await storage.create_file(file, [], request=a_request(file, key="k")) == changed
        batch = a_batch(file)
        await storage.create_batch(
            file.id, lambda _: BatchChange(batch=batch), request=a_request(batch, key="b")
        )
        now = await storage.change_batch(
            batch.id, writing(batch=replace(batch, status=BatchStatus.COMPLETED))
        )
        repeated = await storage.create_batch(
            file.id, lambda _: pytest.fail("was called"), request=a_request(batch, key="b")
        )
        assert repeated == now

    @both
    async def test_another_key_another_owner_or_no_key_makes_another_object(
        self, storage: Storage, kind: str
    ) -> None:
        """Only owner and key together are the same."""
        await made(storage, kind, key="k")
        others: list[dict[str, Any]] = [{"key": "other"}, {"key": "k", "owner": "somebody else"}, {}]
        for fields in others:
            second, got = await again(storage, kind, **fields)
            assert got == second

    @both
    @pytest.mark.parametrize("other_kind", ["file", "batch"])
    async def test_a_key_with_another_fingerprint_is_refused(
        self, storage: Storage, kind: str, other_kind: str
    ) -> None:
        """Be it for an object of the other kind; nothing is made then."""
        await made(storage, kind, key="k")
        other = await new(storage, other_kind)
        with pytest.raises(KeyReused):
            await create(storage, other, a_request(other, key="k"))
        assert not await is_there(storage, other)

    @both
    async def test_a_key_is_forgotten_after_its_time(self, storage: Storage, kind: str) -> None:
        """Not a moment before; then it stands for what is made next."""
        first = await made(storage, kind, key="k")
        _, got = await again(storage, kind, key="k", at=first.created_at + KEY_LIVES)
        assert got == first
        later = first.created_at + KEY_LIVES + MOMENT
        second, got = await again(storage, kind, key="k", at=later)
        assert got == second
        _, got = await again(storage, kind, key="k", at=later)
        assert got == second

    async def test_forgotten_keys_do_not_get_into_the_way_of_others(self, storage: Storage) -> None:
        """However many there are."""
        old = datetime.now(UTC) - 2 * KEY_LIVES
        for number in range(30):
            file = a_file(created_at=old)
            await storage.create_file(file, [], request=a_request(file, key=f"{number}", at=old))
        first = await made(storage, "file", key="new")
        _, got = await again(storage, "file", key="new")
        assert got == first

    async def test_a_create_that_raises_takes_no_key(self, storage: Storage) -> None:
        """Whatever it raises."""
        file = await stored_file(storage)
        with pytest.raises(StateConflict):
            await storage.create_file(file, [], request=a_request(file, key="k"))

        def refuse(_: FileState) -> BatchChange:
            raise InvalidRequest("no")

        refused = a_batch(file)
        with pytest.raises(InvalidRequest):
            await storage.create_batch(file.id, refuse, request=a_request(refused, key="k"))
        unknown = replace(refused, input_file_id="file-lb-unknown")
        with pytest.raises(StateConflict):
            await create(storage, unknown, a_request(unknown, key="k"))
        second, got = await again(storage, "batch", key="k")
        assert got == second

    @pytest.mark.parametrize("gone", ["removed", "deleted", "expired"])
    async def test_the_key_of_a_file_that_is_gone_is_free(self, storage: Storage, gone: str) -> None:
        """For another request as well."""
        now = datetime.now(UTC)
        first = await made(storage, "file", key="k")
        assert isinstance(first, File)
        change = {
            "removed": FileChange(remove=True),
            "deleted": FileChange(file=replace(first, deleted_at=now)),
            "expired": FileChange(file=replace(first, expires_at=now)),
        }[gone]
        await storage.change_file(first.id, lambda _: change)
        other = a_file()
        assert await create(storage, other, a_request(other, key="k", at=now + SOON)) == other

    @repeated
    async def test_an_upload_under_way_is_waited_for(
        self, storage: Storage, repeated: dict[str, Any]
    ) -> None:
        """As long as a claim on one of its copies runs."""
        await upload_under_way(storage, seconds=60, key="k")
        with pytest.raises(RequestUnderWay):
            await again(storage, "file", **repeated)

    @repeated
    async def test_an_upload_that_was_left_behind_is_not(
        self, storage: Storage, repeated: dict[str, Any]
    ) -> None:
        """Its key is free at once."""
        await upload_under_way(storage, seconds=-1, key="k")
        second, got = await again(storage, "file", **repeated)
        assert got == second

    @both
    async def test_a_retry_gets_what_was_not_answered(self, storage: Storage, kind: str) -> None:
        """And nobody else does: not without `is_retry`, nor with another fingerprint."""
        first = await made(storage, kind)
        second, got = await again(storage, kind)
        assert got == second
        other = await new(storage, kind)
        assert await create(storage, other, a_request(other, is_retry=True)) == other
        _, got = await again(storage, kind, is_retry=True)
        assert got.id == first.id

    @both
    async def test_what_was_answered_is_not_given_to_a_retry(self, storage: Storage, kind: str) -> None:
        """It is somebody's already."""
        await made(storage, kind, answered_at=datetime.now(UTC))
        second, got = await again(storage, kind, is_retry=True)
        assert got == second

    @both
    async def test_retries_get_the_oldest_first_and_each_another(self, storage: Storage, kind: str) -> None:
        """While the answers are under way; what is given out says until when."""
        now = datetime.now(UTC)
        ages = [timedelta(minutes=minutes) for minutes in (3, 5, 4)]
        firsts = [await made(storage, kind, created_at=now - age) for age in ages]
        got = [(await again(storage, kind, is_retry=True, at=now, answer_seconds=9))[1] for _ in ages]
        assert [each.id for each in got] == [firsts[1].id, firsts[2].id, firsts[0].id]
        assert {each.answering_until for each in got} == {now + timedelta(seconds=9)}
        with pytest.raises(RequestUnderWay):
            await again(storage, kind, is_retry=True, at=now)
        _, last = await again(storage, kind, is_retry=True, at=now + timedelta(seconds=9))
        assert last.id == firsts[1].id

    @both
    async def test_a_retry_waits_while_there_are_only_such_under_way(
        self, storage: Storage, kind: str
    ) -> None:
        """It takes another one that is there."""
        now = datetime.now(UTC)
        await made(storage, kind, answering_until=now + SOON, created_at=now - SOON)
        with pytest.raises(RequestUnderWay):
            await again(storage, kind, is_retry=True, at=now)
        free = await made(storage, kind, answering_until=now)
        _, got = await again(storage, kind, is_retry=True, at=now)
        assert got.id == free.id

    @both
    async def test_what_is_too_old_is_not_given_to_a_retry(self, storage: Storage, kind: str) -> None:
        """Not a moment before."""
        now = datetime.now(UTC)
        old = await made(storage, kind, created_at=now - RETRIED_WITHIN)
        second, got = await again(storage, kind, is_retry=True, at=now + MOMENT)
        assert got == second
        _, got = await again(storage, kind, is_retry=True, at=now)
        assert got.id == old.id

    async def test_a_file_that_is_gone_is_not_given_to_a_retry(self, storage: Storage) -> None:
        """Deleted or expired."""
        now = datetime.now(UTC)
        await made(storage, "file", deleted_at=now)
        await made(storage, "file", expires_at=now - SOON)
        second, got = await again(storage, "file", is_retry=True)
        assert got == second

    @both
    @repeated
    async def test_of_repetitions_at_once_each_object_is_made_once(
        self, storages: Sequence[Storage], kind: str, repeated: dict[str, Any]
    ) -> None:
        """With a key all get the same; of retries one gets what is there, and the others wait for it."""
        if "key" not in repeated:
            await made(storages[0], kind)
        got: list[str] = []
        waiting: list[RequestUnderWay] = []
        inputs = [await new(storages[0], kind, request_fingerprint="same") for _ in range(12)]

        async def one(storage: Storage, each: Made) -> None:
            request = a_request(each, fingerprint="same", answer_seconds=60, **repeated)
            try:
                got.append((await create(storage, each, request)).id)
            except RequestUnderWay as error:
                waiting.append(error)

        async with anyio.create_task_group() as tasks:
            for number, each in enumerate(inputs):
                tasks.start_soon(one, storages[number % len(storages)], each)
        assert len(set(got)) == 1
        assert len(got) == (12 if "key" in repeated else 1)
        assert sum([await is_there(storages[0], each) for each in inputs]) == ("key" in repeated)

    async def test_a_create_without_a_request_is_no_repetition(self, storage: Storage) -> None:
        """Whatever was made before."""
        first = await made(storage, "batch", key="k")
        assert isinstance(first, Batch)
        batch = a_batch(a_file(), input_file_id=first.input_file_id, request_fingerprint="same")
        state = await storage.create_batch(first.input_file_id, lambda _: BatchChange(batch=batch))
        assert state == BatchState(batch=batch, jobs=())
