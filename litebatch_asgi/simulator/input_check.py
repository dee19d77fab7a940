"""The look at a batch's input file while the batch is `validating`."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from .account_context import AccountContext
from .faults import Fault
from .file_store import FileStore
from .json_values import JSON
from .objects import BatchObject, BatchProblem
from .token_queues import TokenQueues
from .validation import Examined


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """What came of the look: with `problems` the batch fails, without any the input is known."""

    problems: tuple[BatchProblem, ...] = ()
    examined: Examined | None = None


class InputCheck:
    """Whether an input is there, its lines are good and its model's queue has room."""

    def __init__(self, context: AccountContext, files: FileStore, queues: TokenQueues) -> None:
        self._context = context
        self._files = files
        self._queues = queues

    async def check(
        self, batch: BatchObject, details: JSON, project: str, snapshot: Path, fault: Fault
    ) -> Checked:
        """Look at the input of `batch`, which from then on lies at `snapshot` as well.

        `fault` is what the provider runs into on the way.
        """
        if fault.no_such_file:
            return Checked(problems=(self._no_such_file(batch, fault),))
        if fault.code is not None:
            # it has read the file, so that what its lines were can still be told once that is deleted
            has_it = await self._link(batch, project, snapshot)
            examined = await self._context.examine(snapshot, batch.endpoint) if has_it else None
            return Checked(problems=_problems_of(fault, fault.code), examined=examined)
        refusal = self._context.flavour.refuse(batch, details, self._context.settings)
        if refusal is not None:
            return Checked(problems=(refusal,))
        if not await self._link(batch, project, snapshot):
            return Checked(problems=(self._no_such_file(batch, fault),))
        examined = await self._context.examine(snapshot, batch.endpoint)
        over = self._queues.over_limit(examined, batch.id)
        return Checked(problems=examined.problems or (() if over is None else (over,)), examined=examined)

    async def _link(self, batch: BatchObject, project: str, snapshot: Path) -> bool:
        """Link the input file, so that deleting it does not harm a batch that has begun."""
        stored = self._files.find(batch.input_file_id, project)
        if stored is None or stored.shown.purpose != "batch" or stored.shown.status == "error":
            return False
        try:
            await self._context.disk.run(os.link, stored.path, snapshot)
        except FileNotFoundError:
            return False
        return True

    def _no_such_file(self, batch: BatchObject, fault: Fault) -> BatchProblem:
        told = self._context.flavour.no_such_file(batch.input_file_id, self._context.settings)
        return msgspec.structs.replace(told, code=fault.code or told.code, param=fault.param or told.param)


def _problems_of(fault: Fault, code: str) -> tuple[BatchProblem, ...]:
    """The errors that `fault` lets a batch fail with."""
    message = fault.message or "Asked for by a fault."
    lines = [None] if fault.problems == 1 else range(1, fault.problems + 1)
    return tuple(BatchProblem(code=code, line=line, message=message, param=fault.param) for line in lines)
