"""Contents in memory: their rows, and their bytes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from litebatch_asgi.errors import StateConflict
from litebatch_asgi.models import Content, ContentState
from litebatch_asgi.testing.claims import is_due
from litebatch_asgi.testing.tables import Tables


class MemoryContentRows:
    """`ContentRows` as long as the tables live."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def begin(self, content: Content, *, lease_seconds: float) -> Content:
        """See `ContentRows.begin`."""
        until = datetime.now(UTC) + timedelta(seconds=lease_seconds)
        written = replace(content, claimed_until=until)
        async with self._tables.write() as draft:
            draft.insert(self._tables.contents, content.key, written)
        return written

    async def get(self, key: str) -> Content | None:
        """See `ContentRows.get`."""
        self._tables.check_open()
        return self._tables.contents.get(key)

    async def abandon(self, contents: Sequence[Content]) -> None:
        """See `ContentRows.abandon`."""
        async with self._tables.write() as draft:
            for content in contents:
                current = self._tables.contents.get(content.key)
                if current is not None and _held(current) == _held(content):
                    given_up = replace(
                        current,
                        state=ContentState.DELETING,
                        next_check_at=datetime.now(UTC),
                        claimed_by=None,
                        claimed_until=None,
                        epoch=current.epoch + 1,
                    )
                    draft.put(self._tables.contents, content.key, given_up)

    async def claim_due(
        self,
        worker: str,
        *,
        stores: Collection[str],
        limit: int,
        lease_seconds: float,
        watch_seconds: float,
    ) -> list[Content]:
        """See `ContentRows.claim_due`."""
        async with self._tables.write() as draft:
            now = datetime.now(UTC)
            rows = [each for each in self._tables.contents.values() if each.store in stores]
            due = sorted((each for each in rows if is_due(each, now)), key=_due_at)[:limit]
            claimed = [
                replace(
                    each,
                    state=ContentState.DELETING,
                    watch_until=now + timedelta(seconds=watch_seconds)
                    if each.state is ContentState.WRITING
                    else each.watch_until,
                    claimed_by=worker,
                    claimed_until=now + timedelta(seconds=lease_seconds),
                    epoch=each.epoch + 1,
                )
                for each in due
            ]
            for each in claimed:
                draft.put(self._tables.contents, each.key, each)
        return claimed

    async def postpone(self, content: Content, due: datetime) -> None:
        """See `ContentRows.postpone`."""
        later = replace(content, next_check_at=due, claimed_by=None, claimed_until=None)
        async with self._tables.write() as draft:
            draft.put_fenced(self._tables.contents, content.key, later, held_epoch=content.epoch)

    async def remove(self, content: Content) -> None:
        """See `ContentRows.remove`."""
        async with self._tables.write() as draft:
            draft.remove_fenced(self._tables.contents, content.key, held_epoch=content.epoch)
            if content.state is not ContentState.DELETING or self._chunks(content.key):
                raise StateConflict(f"{content.name} is not to be deleted, or has chunks left")

    async def outgrown(self, store: str) -> int | None:
        """See `ContentRows.outgrown`."""
        self._tables.check_open()
        return None

    async def put_chunk(self, key: str, seq: int, chunk: bytes) -> None:
        """See `ContentRows.put_chunk`."""
        async with self._tables.write() as draft:
            content = self._tables.contents.get(key)
            if content is None or content.state is not ContentState.WRITING:
                raise StateConflict(f"content {key} is not being written")
            draft.insert(self._tables.chunks, (key, seq), chunk)

    async def get_chunk(self, key: str, seq: int) -> bytes | None:
        """See `ContentRows.get_chunk`."""
        self._tables.check_open()
        return self._tables.chunks.get((key, seq))

    async def delete_chunks(self, key: str, *, limit: int) -> int:
        """See `ContentRows.delete_chunks`."""
        async with self._tables.write() as draft:
            gone = self._chunks(key)[:limit]
            for place in gone:
                draft.remove_key(self._tables.chunks, place)
        return len(gone)

    def _chunks(self, key: str) -> list[tuple[str, int]]:
        return sorted(place for place in self._tables.chunks if place[0] == key)


def _due_at(content: Content) -> tuple[datetime, str]:
    assert content.next_check_at is not None
    return content.next_check_at, content.key


def _held(content: Content) -> tuple[ContentState, int, str | None]:
    return content.state, content.epoch, content.claimed_by
