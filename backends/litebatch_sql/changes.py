"""Writing a change inside the transaction that locked what it changes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from litebatch_asgi.errors import StateConflict, StorageUnavailable
from litebatch_asgi.models import (
    Batch,
    BatchChange,
    BatchState,
    File,
    FileChange,
    FileCopy,
    FileHold,
    FilePart,
    FileState,
    Job,
    PartKind,
    Shard,
)
from litebatch_asgi.models.sums import with_charges
from litebatch_sql.charges import Charges
from litebatch_sql.events import Events
from litebatch_sql.executor import Contention, Parameters, Transaction
from litebatch_sql.leases import L, clock, leased
from litebatch_sql.queries import Queries
from litebatch_sql.reservations import FileHolds, Reservations
from litebatch_sql.rows import Table, encode_keys
from litebatch_sql.sweeps import mark_ended
from litebatch_sql.tables import BATCHES, COPIES, FILES, JOBS, LINE_RANGES, PARTS, SHARDS
from litebatch_sql.telling import BudgetTellings

CHUNK_BYTES = 1 << 20
"""How many bytes of inline rows go to the driver in one call."""

S = TypeVar("S", bound=msgspec.Struct)


class Changes:
    """Writes in one transaction."""

    def __init__(self, transaction: Transaction, queries: Queries) -> None:
        self._transaction = transaction
        self._queries = queries
        self._sql = queries.sql
        self._reservations = Reservations(transaction, queries)
        self._file_holds = FileHolds(transaction, queries)
        self._charges = Charges(transaction, queries)
        self._budgets = BudgetTellings(transaction, queries)
        self._events = Events(transaction, queries)

    async def create_file(
        self,
        file: File,
        copies: Sequence[FileCopy],
        *,
        shards: Sequence[Shard],
        holds: Sequence[FileHold],
        lease_seconds: float | None,
    ) -> FileState:
        """Insert a file, its tiles and its copies; returns the state as written."""
        await self._file_holds.check(holds)
        await self._insert_files([file])
        await self.insert(SHARDS, shards)
        await self._file_holds.insert(file, holds)
        written = await self._leased(copies, lease_seconds)
        await self.insert(COPIES, written)
        in_order = tuple(sorted(written, key=lambda copy: copy.key))
        tiles = tuple(sorted(shards, key=lambda tile: tile.shard))
        return FileState(file=file, copies=in_order, open_batches=0, shards=tiles)

    async def _leased(self, rows: Sequence[L], lease_seconds: float | None) -> tuple[L, ...]:
        return await leased(self._transaction, self._queries, rows, lease_seconds)

    async def _with_leases(self, change: BatchChange) -> BatchChange:
        seconds = change.lease_seconds
        if seconds is None:
            return change
        return msgspec.structs.replace(
            change,
            jobs=await self._leased(change.jobs, seconds),
            new_jobs=await self._leased(change.new_jobs, seconds),
            copies=await self._leased(change.copies, seconds),
        )

    async def _with_cost(self, before: Batch, change: BatchChange) -> BatchChange:
        """The cost of a batch is what its charges come to, whatever a decision says."""
        if change.charges:
            batch = with_charges(change.batch, [*await self._charges.of([before.id]), *change.charges])
        else:
            batch = msgspec.structs.replace(
                change.batch, cost=before.cost, unpriced_requests=before.unpriced_requests
            )
        return msgspec.structs.replace(change, batch=batch)

    async def insert(self, table: Table[S], values: Iterable[S]) -> None:
        """Insert rows. Raises `StateConflict` if one of them is there already."""
        for value in values:
            await self._transaction.execute(self._sql(f"insert_{table.name}"), table.encode(value))

    async def write_file(self, state: FileState, change: FileChange) -> FileState:
        """Write a change of the locked file `state`; returns the state as written."""
        of_file = {"keys": encode_keys([state.file.id]), "now": clock()}
        if change.remove:
            for name in ("release_contents", "sweep_lines_of_files"):
                await self._transaction.execute(self._sql(name), of_file)
            await self._transaction.execute(self._sql("remove_file"), {"id": state.file.id})
            await self._transaction.execute(self._sql("remove_events_of"), of_file)
            return msgspec.structs.replace(state, copies=())
        if change.file is not None:
            await self._update_file(state.file, change.file)
        copies = {copy.key: copy for copy in state.copies}
        for copy in await self._leased(change.copies, change.lease_seconds):
            written = await self._write_copy(copy, is_new=copy.key not in copies, fence_out=change.fence_out)
            copies[copy.key] = written
        await self._insert_parts(change.parts)
        if (change.file or state.file).deleted_at is not None and not state.open_batches:
            await self._transaction.execute(self._sql("release_contents"), of_file)
            await self._transaction.execute(self._sql("remove_stored_parts"), of_file)
        await self._events.write(change.events)
        return FileState(
            file=change.file or state.file,
            copies=tuple(copies[key] for key in sorted(copies)),
            open_batches=state.open_batches,
            shards=state.shards,
        )

    async def _insert_files(self, files: Iterable[File]) -> None:
        for file in files:
            await self.insert(FILES, [file])
            if _is_listed(file):
                await self._insert_models(file)

    async def _update_file(self, before: File, after: File) -> None:
        await self._transaction.execute(self._sql("update_files"), FILES.encode(after))
        if _is_listed(after) and not _is_listed(before):
            await self._insert_models(after)
        elif _is_listed(before) and not _is_listed(after):
            await self._transaction.execute(self._sql("remove_file_models"), {"file_id": after.id})
        if after.deleted_at is not None and before.deleted_at is None:
            await self._file_holds.release(after)
            of_file = {"keys": encode_keys([after.id])}
            await self._transaction.execute(self._sql("sweep_lines_of_files"), of_file)

    async def _insert_models(self, file: File) -> None:
        row = FILES.encode(file)
        for model in dict.fromkeys(file.models):
            listed = {**row, "file_id": file.id, "model": model}
            await self._transaction.execute(self._sql("insert_file_model"), listed)

    async def _write_copy(self, copy: FileCopy, *, is_new: bool, fence_out: bool) -> FileCopy:
        written = msgspec.structs.replace(copy, epoch=copy.epoch + 1) if fence_out else copy
        row = COPIES.encode(written)
        if is_new and copy.epoch == 0:
            await self._transaction.execute(self._sql("insert_file_copies"), row)
        else:
            await self._update_fenced("update_file_copies", {**row, "held_epoch": copy.epoch}, copy.key)
        return written

    async def write_batch(self, state: BatchState, change: BatchChange) -> BatchState:
        """Write a change of the locked batch `state`; returns the state as written."""
        written = await self._write_batch(state, change)
        await self._charges.add_up(change.charges)
        return written

    async def _write_batch(self, state: BatchState, change: BatchChange) -> BatchState:
        change = await self._with_cost(state.batch, await self._with_leases(change))
        await self._transaction.execute(self._sql("update_batches"), BATCHES.encode(change.batch))
        for job in change.jobs:
            row = JOBS.encode(job)
            await self._update_fenced("update_jobs", {**row, "held_epoch": job.epoch}, job.id)
        for job in change.removed_jobs:
            held = {"id": job.id, "batch_id": state.batch.id, "held_epoch": job.epoch}
            await self._update_fenced("remove_job", held, job.id)
        await self._reservations.release(change.batch, change.settled_requests)
        return await self._insert_around(state, change)

    async def write_batches(self, changes: Sequence[tuple[BatchState, BatchChange]]) -> None:
        """Write changes of locked batches: what only moves, all together."""
        moves = [
            (state, await self._with_cost(state.batch, change))
            for state, change in changes
            if _only_moves(change)
        ]
        for state, change in moves:
            epochs = {job.id: job.epoch for job in state.jobs}
            for job in change.jobs:
                if epochs.get(job.id) != job.epoch:
                    raise _lost(job.id, job.epoch)
        await self._write_many("update_batches", [BATCHES.encode(change.batch) for _, change in moves])
        jobs = [job for _, change in moves for job in change.jobs]
        rows = map(JOBS.encode, jobs)
        await self._write_many("update_jobs", [{**row, "held_epoch": row["epoch"]} for row in rows])
        await mark_ended(self._transaction, self._queries, jobs)
        await self._events.write([event for _, change in moves for event in change.events])
        for state, change in changes:
            if not _only_moves(change):
                await self._write_batch(state, change)
        await self._charges.add_up([charge for _, change in changes for charge in change.charges])

    async def _write_many(self, name: str, rows: Sequence[Parameters]) -> None:
        if rows:
            await self._transaction.execute_many(self._sql(name), rows)

    async def create_batch(self, change: BatchChange) -> BatchState:
        """Insert a batch with all that the change holds; returns the state as written."""
        change = await self._with_cost(change.batch, await self._with_leases(change))
        await self._reservations.check(change.reservations)
        await self.insert(BATCHES, [change.batch])
        await self._reservations.insert(change.batch, change.reservations)
        written = await self._insert_around(BatchState(batch=change.batch, jobs=()), change)
        await self._charges.add_up(change.charges)
        await self._budgets.keep(change.reservations)
        return written

    async def _insert_around(self, state: BatchState, change: BatchChange) -> BatchState:
        await self.insert(SHARDS, change.new_shards)
        await self.insert(JOBS, change.new_jobs)
        results = {file.id: file for file in state.results}
        await self._insert_files(file for file in change.files if file.id not in results)
        await self.insert(COPIES, change.copies)
        for file in change.files:
            if file.id in results:
                await self._transaction.execute(self._sql("publish_file"), FILES.encode(file))
                await self._update_file(results[file.id], file)
            if file.expires_at is not None:
                await self._transaction.execute(self._sql("publish_copies"), FILES.encode(file))
            results[file.id] = file
        await self._write_many("insert_line_ranges", list(map(LINE_RANGES.encode, change.line_ranges)))
        await mark_ended(self._transaction, self._queries, change.jobs, change.removed_jobs)
        await self._insert_parts(await self._behind(state.results, change.parts))
        await self._charges.insert(change.charges)
        await self._events.write(change.events)
        removed = {job.id for job in change.removed_jobs}
        kept = (job for job in (*state.jobs, *change.jobs) if job.id not in removed)
        by_id = {job.id: job for job in (*kept, *change.new_jobs)}
        hidden = sorted((file for file in results.values() if file.accepted_at is None), key=_kind)
        return BatchState(
            batch=change.batch, jobs=tuple(sorted(by_id.values(), key=_place)), results=tuple(hidden)
        )

    async def _behind(self, results: Iterable[File], parts: Iterable[FilePart]) -> Iterable[FilePart]:
        """The parts, numbered on from those that their files have already."""
        counts: dict[str, int] = {}
        for file in results if parts != () else ():
            row = await self._transaction.fetch_one(self._sql("count_parts"), {"file_id": file.id})
            counts[file.id] = row[0] if row else 0
        return _numbered(parts, counts) if any(counts.values()) else parts

    async def _insert_parts(self, parts: Iterable[FilePart]) -> None:
        if parts == ():
            return
        chunks = _PartRows(parts)
        try:
            while not chunks.exhausted:
                await self._transaction.execute_many(self._sql("insert_file_parts"), chunks)
        except Contention as error:  # what was read once cannot be written a second time
            raise StorageUnavailable(error.message) from error
        for part in chunks.stored:
            if await self._transaction.execute(self._sql("keep_content"), PARTS.encode(part)) == 0:
                raise StateConflict(f"content {part.content_key} is not being written")

    async def _update_fenced(self, name: str, parameters: Parameters, key: object) -> None:
        if await self._transaction.execute(self._sql(name), parameters) == 0:
            raise _lost(key, parameters["held_epoch"])


class _PartRows:
    """Rows of parts; each iteration goes on where the last one stopped and gives some `CHUNK_BYTES`."""

    def __init__(self, parts: Iterable[FilePart]) -> None:
        self._parts = parts
        self._source: Iterator[FilePart] | None = None
        self.exhausted = False
        self.stored: list[FilePart] = []
        """those that name a content"""

    def __iter__(self) -> Iterator[dict[str, Any]]:
        if self._source is None:
            self._source = iter(self._parts)
        size = 0
        while size < CHUNK_BYTES:
            part = next(self._source, None)
            if part is None:
                self.exhausted = True
                return
            if part.kind is PartKind.STORED:
                self.stored.append(part)
            size += len(part.rows or b"") + 1000  # a row costs something without content as well
            yield PARTS.encode(part)


def _lost(key: object, epoch: int) -> StateConflict:
    return StateConflict(f"{key} is not there, or has another epoch than {epoch}")


def _only_moves(change: BatchChange) -> bool:
    """Whether a running batch, its jobs and events are all that is written, and no claim is kept."""
    new = (change.new_jobs, change.new_shards, change.files, change.copies, change.charges)
    return (
        not any(new)
        and not change.line_ranges
        and not change.removed_jobs
        and change.parts == ()
        and not change.settled_requests
        and not change.batch.status.is_final
        and all(job.claimed_by is None for job in change.jobs)
    )


def _is_listed(file: File) -> bool:
    """Whether it is in lists while it has not expired."""
    return file.accepted_at is not None and file.deleted_at is None


def _numbered(parts: Iterable[FilePart], counts: Mapping[str, int]) -> Iterator[FilePart]:
    for part in parts:
        yield msgspec.structs.replace(part, seq=part.seq + counts.get(part.file_id, 0))


def _kind(file: File) -> str:
    return file.kind.value


def _place(job: Job) -> tuple[int, int]:
    return job.shard, job.attempt
