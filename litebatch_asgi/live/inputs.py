"""Reading the requests of ranges from the originals of their inputs."""

from __future__ import annotations

from collections import OrderedDict
from contextlib import aclosing
from functools import partial
from typing import NamedTuple

from litebatch_asgi.errors import StateConflict, Unavailable
from litebatch_asgi.files.stored import original_of, stored_blocks
from litebatch_asgi.jsonl import LineSet, LiveLine, live_lines
from litebatch_asgi.models import FilePart, LineRange, Shard
from litebatch_asgi.runtime import Runtime

_MOST_KEPT = 64
"""jobs of which it is remembered where their requests are"""


class ModelNames(NamedTuple):
    """What the model of a job is called."""

    virtual: str
    upstream: str
    """by its deployment"""


class _JobInput(NamedTuple):
    """Where the requests of a live job are."""

    original: FilePart
    wanted: LineSet
    line_model: str
    models: ModelNames


class RangeInputs:
    """Reads ranges."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._known: OrderedDict[str, _JobInput] = OrderedDict()

    async def lines(self, line_range: LineRange) -> tuple[list[LiveLine], ModelNames]:
        """The requests of a range, with the deployment's own name of the model, and how that is called.

        Raises `RequestError` where they cannot be read now, `StateConflict` if the job is gone.
        """
        found = await self._input(line_range)
        blocks = stored_blocks(
            self._runtime, found.original, line_range.start, line_range.start + line_range.bytes
        )
        async with aclosing(blocks):
            text = b"".join([block async for block in blocks])
        read = partial(
            live_lines,
            text,
            line_range.first_line,
            found.wanted,
            old_model=found.line_model,
            new_model=found.models.upstream,
        )
        try:
            return await self._runtime.in_executor(read), found.models
        except ValueError as error:
            raise Unavailable(f"{line_range.name} is not what was uploaded: {error}") from error

    async def _input(self, line_range: LineRange) -> _JobInput:
        job_id = line_range.job_id
        if job_id not in self._known:
            self._known[job_id] = await self._read(line_range)
            if len(self._known) > _MOST_KEPT:
                self._known.popitem(last=False)
        self._known.move_to_end(job_id)
        return self._known[job_id]

    async def _read(self, line_range: LineRange) -> _JobInput:
        storage = self._runtime.storage
        job = await storage.jobs.get(line_range.job_id)
        batch = await storage.get_batch(line_range.batch_id)
        file = await storage.get_file(batch.input_file_id) if batch is not None else None
        if job is None or batch is None or file is None:
            raise StateConflict(f"the job of {line_range.name} is gone")
        shard: Shard | None = file.tile(job.shard) or await storage.shards.get(file.file.id, job.shard)
        tile, original = file.tile(job.root), await original_of(self._runtime, file)
        if shard is None or tile is None or original is None:
            raise StateConflict(f"the input of {line_range.name} is gone")
        wanted = LineSet(tile.lines, shard.lines_of_root) if shard.lines_of_root else LineSet.all(tile.lines)
        upstream = self._runtime.fleet.upstream_model(line_range.deployment_id, batch.model)
        return _JobInput(original, wanted, file.file.line_model, ModelNames(batch.model, upstream))
