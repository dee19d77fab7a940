"""Files and batches with all that hangs on them, each read at one moment."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import groupby
from operator import itemgetter

from msgspec.structs import replace

from litebatch_asgi.errors import StateConflict
from litebatch_asgi.models import Batch, BatchState, FileState
from litebatch_sql.executor import Parameters, Reader
from litebatch_sql.queries import Queries
from litebatch_sql.rows import Row, encode_keys
from litebatch_sql.tables import BATCHES, COPIES, FILES, JOBS, SHARDS


class States:
    """Reads states; those that are locked by way of a `Transaction`, until it ends."""

    def __init__(self, reader: Reader, queries: Queries) -> None:
        self._reader = reader
        self._queries = queries

    async def file(self, file_id: str) -> FileState | None:
        """A file with its tiles and copies."""
        rows = await self._reader.fetch_all(self._queries.sql("get_file_state"), {"id": file_id})
        if not rows:
            return None
        copies = 1 + FILES.width
        file = FILES.decode(rows[0], 1)
        tiles: Sequence[Row] = ()  # they never change: another moment shows the same
        if file.endpoint is not None:
            tiles = await self._reader.fetch_all(self._queries.sql("get_tiles"), {"id": file_id})
        return FileState(
            file=file,
            copies=tuple(COPIES.decode(row, copies) for row in rows if row[copies] is not None),
            open_batches=rows[0][0],
            shards=tuple(map(SHARDS.decode, tiles)),
        )

    async def locked_file(self, file_id: str) -> FileState:
        """The same, locked. Raises `StateConflict` if the file is not there."""
        for name in ("lock_file", "lock_copies"):
            await self._lock(name, {"id": file_id})
        state = await self.file(file_id)
        if state is None:
            raise StateConflict(f"file {file_id} is not there")
        return state

    async def batch(self, batch_id: str) -> BatchState | None:
        """A batch with its jobs, and with its result files while it is open."""
        rows = await self._reader.fetch_all(self._queries.sql("get_batch_state"), {"id": batch_id})
        if not rows:
            return None
        [state] = await self._with_results([_batch_state(rows)])
        return state

    async def locked_batch(self, batch_id: str) -> BatchState:
        """The same, locked. Raises `StateConflict` if the batch is not there."""
        for name in ("lock_batch", "lock_jobs"):
            await self._lock(name, {"id": batch_id})
        state = await self.batch(batch_id)
        if state is None:
            raise StateConflict(f"batch {batch_id} is not there")
        return state

    async def locked_batches(self, batch_ids: Collection[str]) -> list[BatchState]:
        """Those of these batches that are there, locked."""
        keys = {"keys": encode_keys(sorted(set(batch_ids)))}
        for name in ("lock_batches", "lock_jobs_of_batches"):
            await self._lock(name, keys)
        rows = await self._reader.fetch_all(self._queries.sql("get_batch_states"), keys)
        return await self._with_results(
            [_batch_state(list(each)) for _, each in groupby(rows, itemgetter(0))]
        )

    async def _lock(self, name: str, parameters: Parameters) -> None:
        if name in self._queries:
            # all of them: a row that is not fetched is not locked
            await self._reader.fetch_all(self._queries.sql(name), parameters)

    async def _with_results(self, states: Sequence[BatchState]) -> list[BatchState]:
        """The same with the result files of those batches that are open."""
        named = {state.batch.id: _results_of(state.batch) for state in states}
        ids = [id_ for each in named.values() for id_ in each]
        if not ids:
            return list(states)
        rows = await self._reader.fetch_all(self._queries.sql("get_results"), {"keys": encode_keys(ids)})
        found = list(map(FILES.decode, rows))
        return [
            replace(state, results=tuple(file for file in found if file.id in named[state.batch.id]))
            for state in states
        ]


def _results_of(batch: Batch) -> list[str]:
    ids = [] if batch.status.is_final else [batch.output_file_id, batch.error_file_id]
    return [id_ for id_ in ids if id_ is not None]


def _batch_state(rows: Sequence[Row]) -> BatchState:
    jobs = BATCHES.width
    return BatchState(
        batch=BATCHES.decode(rows[0]),
        jobs=tuple(JOBS.decode(row, jobs) for row in rows if row[jobs] is not None),
    )
