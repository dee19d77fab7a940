"""Lines that we run ourselves, in memory."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from litebatch_asgi.claims import is_held
from litebatch_asgi.lines import UNDER_WAY, after_write, check_results, page_of
from litebatch_asgi.models import (
    FileKind,
    LineProgress,
    LineRange,
    LineResult,
    RangeWrite,
    Sharing,
)
from litebatch_asgi.testing.claims import claim
from litebatch_asgi.testing.tables import Tables


class MemoryLineStore:
    """A `LineStore` over dicts."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def claim(
        self,
        worker: str,
        *,
        lease_seconds: float,
        room: Mapping[str, int],
        avoid: Mapping[str, Collection[str]] = {},
    ) -> list[LineRange]:
        """See `LineStore.claim`."""
        ranges = self._tables.line_ranges
        async with self._tables.write() as draft:
            claimed = [
                replace(each, one_by_one=each.one_by_one or _was_lost(ranges[each.key]))
                for each in claim(
                    ranges.values(), worker, lease_seconds=lease_seconds, room=room, avoid=avoid
                )
            ]
            for each in claimed:
                draft.put(ranges, each.key, each)
        return claimed

    async def results_in(self, line_range: LineRange) -> frozenset[int]:
        """See `LineStore.results_in`."""
        self._tables.check_open()
        lines = range(line_range.first_line, line_range.end_line)
        return frozenset(line for line in lines if (line_range.job_id, line) in self._tables.line_results)

    async def write(self, writes: Sequence[RangeWrite]) -> list[LineRange | None]:
        """See `LineStore.write`."""
        check_results(writes)
        written: list[LineRange | None] = []
        async with self._tables.write() as draft:
            ranges, taken = dict(self._tables.line_ranges), set(self._tables.line_results)
            for write in writes:
                key = write.range.key
                if not is_held(ranges.get(key), write.range):
                    written.append(None)
                    continue
                new: list[LineResult] = []
                for result in write.results:
                    place = (key[0], result.line)
                    if place not in taken:
                        taken.add(place)
                        new.append(result)
                        draft.insert(self._tables.line_results, place, result)
                ranges[key] = after_write(ranges[key], write, new)
                draft.put(self._tables.line_ranges, key, ranges[key])
                written.append(ranges[key])
        return written

    async def sharing(self, deployments: Collection[str]) -> dict[str, Sharing]:
        """See `LineStore.sharing`."""
        self._tables.check_open()
        now = datetime.now(UTC)
        running = {
            (each.deployment_id, each.claimed_by)
            for each in self._tables.line_ranges.values()
            if each.claimed_by is not None and each.claimed_until is not None and each.claimed_until > now
        }
        alone = {name: who for name, (who, until) in self._tables.line_alone.items() if until > now}
        return {
            name: Sharing(holders=sum(at == name for at, _ in running), alone=alone.get(name))
            for name in deployments
        }

    async def lost(self, ranges: Sequence[LineRange]) -> list[LineRange]:
        """See `LineStore.lost`."""
        self._tables.check_open()
        known = {each.key: each.epoch for each in self._tables.line_ranges.values()}
        return [each for each in ranges if known.get(each.key) != each.epoch]

    async def take_alone(self, deployment_id: str, worker: str, *, lease_seconds: float) -> bool:
        """See `LineStore.take_alone`."""
        async with self._tables.write() as draft:
            now = datetime.now(UTC)
            who, until = self._tables.line_alone.get(deployment_id, (worker, now))
            if who != worker and until > now:
                return False
            taken = (worker, now + timedelta(seconds=lease_seconds))
            draft.put(self._tables.line_alone, deployment_id, taken)
        return True

    async def end_alone(self, deployment_id: str, worker: str) -> None:
        """See `LineStore.end_alone`."""
        async with self._tables.write() as draft:
            if self._tables.line_alone.get(deployment_id, ("", None))[0] == worker:
                draft.remove_key(self._tables.line_alone, deployment_id)

    async def progress(self, job_id: str) -> LineProgress:
        """See `LineStore.progress`."""
        self._tables.check_open()
        ranges = self._ranges(job_id)
        return LineProgress(
            lines=sum(each.lines for each in ranges),
            done=sum(each.done for each in ranges),
            failed=sum(each.failed for each in ranges),
            is_closed=all(each.next_check_at is None for each in ranges),
        )

    async def close(self, job_id: str) -> LineProgress:
        """See `LineStore.close`."""
        async with self._tables.write() as draft:
            for each in self._ranges(job_id):
                if each.next_check_at is not None:
                    closed = replace(
                        each, next_check_at=None, claimed_by=None, claimed_until=None, epoch=each.epoch + 1
                    )
                    draft.put(self._tables.line_ranges, each.key, closed)
        return await self.progress(job_id)

    async def rows(
        self, job_id: str, kind: FileKind, *, after: int = -1, most_bytes: int = 1 << 20
    ) -> list[LineResult]:
        """See `LineStore.rows`."""
        self._tables.check_open()
        found = [
            result
            for (of, line), result in self._tables.line_results.items()
            if of == job_id and line > after and result.kind is kind
        ]
        return page_of(sorted(found, key=lambda each: each.line), most_bytes)

    async def sweep(self, *, limit: int) -> int:
        """See `LineStore.sweep`."""
        results, now = self._tables.line_results, datetime.now(UTC)
        async with self._tables.write() as draft:
            for name, (_, until) in list(self._tables.line_alone.items()):
                if until <= now:
                    draft.remove_key(self._tables.line_alone, name)
            jobs = {job_id for job_id, _ in self._tables.line_ranges}
            gone = [place for place, each in results.items() if not self._is_needed(place[0], each.kind)]
            for place in gone[:limit]:
                draft.remove_key(results, place)
            left = {job_id for job_id, _ in results.keys() - set(gone[:limit])}
            over = {job_id for job_id in jobs - left if not self._is_under_way(job_id)}
            draft.remove_keys(self._tables.line_ranges, lambda key: key[0] in over)
        return len(gone[:limit])

    def _is_needed(self, job_id: str, kind: FileKind) -> bool:
        named = (part.file_id for part in self._tables.parts.values() if part.job_id == job_id)
        files = (self._tables.files[file_id] for file_id in named)
        return self._is_under_way(job_id) or any(
            file.kind is kind and file.deleted_at is None for file in files
        )

    def _is_under_way(self, job_id: str) -> bool:
        job = self._tables.jobs.get(job_id)
        return job is not None and job.state in UNDER_WAY

    def _ranges(self, job_id: str) -> list[LineRange]:
        return [each for each in self._tables.line_ranges.values() if each.job_id == job_id]


def _was_lost(before: LineRange) -> bool:
    """Whether the last holder has not given it back."""
    return before.claimed_by is not None and before.claimed_until is not None
