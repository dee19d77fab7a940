"""The progress of one batch, from its creation to its end.

::

    validating ──> in_progress ──> finalizing ──> completed
        ├──> failed    ├───> expired <───┤
        └──────────────┴──> cancelling <─┘ ──> cancelled

Before it is `validating` it may be `scheduling`, from which a cancel leads to `cancelling` too. A provider
may also finish while it is `cancelling`: a fault's `ending` asks for that.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable
from pathlib import Path
from typing import Any, Literal

import msgspec

from .account_context import AccountContext
from .execution import UNFINISHED, Outcome, Plan, Written
from .fault_book import marks_of
from .faults import Fault
from .file_store import FileStore
from .input_check import InputCheck
from .json_values import JSON
from .objects import TERMINAL, BatchErrors, BatchObject, BatchProblem, RequestCounts, StoredFile
from .settings import Status
from .token_queues import TokenQueues
from .validation import Examined
from .wakeup import Wakeup

logger: logging.Logger = logging.getLogger(__name__)

NO_FAULT = Fault()

INTERNAL_ERROR = BatchProblem(code="server_error", message="The simulator has a defect: see its log.")

STAMPS: dict[Status, str] = {
    "in_progress": "in_progress_at",
    "finalizing": "finalizing_at",
    "completed": "completed_at",
    "failed": "failed_at",
    "expired": "expired_at",
    "cancelling": "cancelling_at",
    "cancelled": "cancelled_at",
}


class BatchProgress:
    """A batch and the task that moves it on."""

    def __init__(
        self,
        context: AccountContext,
        files: FileStore,
        queues: TokenQueues,
        batch: BatchObject,
        *,
        number: int,
        output_seconds: int | None,
        details: JSON,
    ) -> None:
        self._context = context
        self._files = files
        self._queues = queues
        self._check = InputCheck(context, files, queues)
        self.batch: BatchObject = batch
        self.project: str = context.settings.project
        self.made_at: float = context.now()
        """Unix seconds, by the account's clock"""
        self.listed_at: float = time.monotonic()
        self.lists_before: int = context.lists_made["list_batches"]
        self.number: int = number
        self._seed = f"{context.settings.seed}/{context.name}/{number}"
        self._output_seconds = output_seconds
        self.details: JSON = details
        """what the flavour knows of the batch beside that"""
        self.unexecuted: int = 0
        """how many lines were not run, once the batch has ended"""
        self._wakeup = Wakeup()
        self._since = time.monotonic()
        self._released = False
        self._expiring = False
        self._examined: Examined | None = None
        self._fault = NO_FAULT
        self._looks_without_ids = 0
        self._ids_from = 0.0
        """Unix seconds before which the ids of the result files are not shown"""

    # what clients and tests see and do

    def shown(self) -> BatchObject:
        """The batch as it is at this moment. Its counts never go back."""
        if self._looks_without_ids or self._context.now() < self._ids_from:
            return msgspec.structs.replace(self.batch, output_file_id=None, error_file_id=None)
        if self.batch.status != "in_progress" or self._examined is None:
            return self.batch
        examined, share = self._examined, self._share_done()
        counts = RequestCounts(
            total=len(examined.offsets),
            completed=int((examined.done - examined.done_failing) * share),
            failed=int(examined.done_failing * share),
        )
        return msgspec.structs.replace(self.batch, request_counts=counts)

    def retrieved(self) -> BatchObject:
        """`shown`, counted as one of the looks that a fault leaves without the ids of the result files."""
        shown = self.shown()
        self._looks_without_ids = max(0, self._looks_without_ids - 1)
        return shown

    def cancel(self) -> bool:
        """Ask for the cancellation; False if the batch has ended in another way before."""
        if self.batch.status in ("cancelling", "cancelled"):
            return True
        if self.batch.status in TERMINAL:
            return False
        if self._expiring:
            return True
        self._become("cancelling", request_counts=self.shown().request_counts)
        return True

    def release(self) -> None:
        """Leave the present status as soon as its work is done."""
        self._released = True
        self._wakeup.notify()

    def expire(self) -> None:
        """End as `expired`, unless the batch is being cancelled or has ended."""
        self._expiring = True
        self._wakeup.notify()
        self._context.wakeup.notify()

    def reconsider(self) -> None:
        """Look again at the settings and the clock."""
        deadline = self._context.flavour.deadline(self.batch)
        over = deadline is not None and self._context.now() >= deadline
        self._expiring = self._expiring or over
        self._wakeup.notify()

    def has_left(self, status: Status) -> bool:
        """Whether the batch is in another status now."""
        return self.batch.status != status

    def marks(self) -> list[str]:
        """What the `match` of a fault is looked for in."""
        return [self.batch.id, *marks_of(self.batch.metadata)]

    # the task

    async def run(self) -> None:
        """Go through all statuses, to an end; what lies at `snapshot` is removed then."""
        try:
            start = self._from_the_start if self._examined is None else self._from_running
            await self._to_an_end(start(self.snapshot))
        finally:
            await self._context.disk.run(self.snapshot.unlink, missing_ok=True)

    @property
    def snapshot(self) -> Path:
        """Where the input of the batch lies while it runs."""
        return self._place("input")

    def begin_running(self, examined: Examined) -> None:
        """Be `in_progress`, with an input that was found good."""
        self._examined = examined
        self._queues.hold(self.batch.id, examined)
        self._become(
            "in_progress",
            model=examined.model or self.batch.model,
            endpoint=examined.endpoint,
            request_counts=RequestCounts(total=len(examined.offsets)),
        )

    async def run_on(self, snapshot: Path) -> None:
        """Go through the statuses that follow; the input lies at `snapshot`, and is left there."""
        await self._to_an_end(self._from_running(snapshot))

    async def _to_an_end(self, work: Awaitable[None]) -> None:
        try:
            await work
        except Exception:
            # a client must not wait for ever on a defect of ours
            logger.exception("%s failed by a defect of the simulator", self.batch.id)
            self._become("failed", errors=BatchErrors(data=(INTERNAL_ERROR,)))

    async def _from_the_start(self, snapshot: Path) -> None:
        await self._be_scheduled()
        await self._dwell(self._context.settings.validating_seconds)
        fault = await self._strike("validate_batch")
        checked = await self._check.check(self.batch, self.details, self.project, snapshot, fault)
        self._examined = checked.examined
        if checked.problems:
            await self._refuse(checked.problems)
            return
        if self._examined is not None and self.batch.status == "validating" and not self._expiring:
            self.begin_running(self._examined)
        await self._from_running(snapshot)

    async def _from_running(self, snapshot: Path) -> None:
        if self.batch.status == "in_progress":
            await self._dwell(self._running_seconds())
        self._fault = await self._strike("run_batch")
        outcome = await self._finalize(snapshot)
        if self.batch.status == "cancelling":
            await self._dwell(self._context.settings.cancelling_seconds)
        ending = self._natural_ending()
        await self._end(ending, outcome or await self._execute(snapshot, ending))

    async def _be_scheduled(self) -> None:
        if self.batch.status == "scheduling":
            await self._dwell(self._context.settings.scheduling_seconds or 0.0)
        if self.batch.status == "scheduling":
            self._become("validating")

    async def _refuse(self, problems: tuple[BatchProblem, ...]) -> None:
        if self.batch.status == "validating":
            self._become("failed", errors=BatchErrors(data=problems))
            return
        await self._dwell(self._context.settings.cancelling_seconds)
        self._become("cancelled")

    async def _finalize(self, snapshot: Path) -> Outcome | None:
        """Run to the end, if that is where the batch is going."""
        if self.batch.status != "in_progress" or self._natural_ending() != "completed":
            return None
        outcome = await self._execute(snapshot, "completed")
        if self.batch.status == "in_progress":
            self._become("finalizing", request_counts=self._fault.counts or outcome.counts)
            await self._dwell(self._context.settings.finalizing_seconds)
        return outcome

    def _natural_ending(self) -> Status:
        if self._fault.ending is not None:
            return self._fault.ending
        if self.batch.status == "cancelling":
            return "cancelled"
        return "expired" if self._expiring else "completed"

    async def _dwell(self, seconds: float) -> None:
        """Stay in the present status for `seconds`, and on while it is held, unless something ends it."""
        status, self._since = self.batch.status, time.monotonic()

        def over() -> bool:
            return self._released or self._expiring or self.batch.status != status

        await self._wakeup.until_or(over, seconds)
        await self._wakeup.until(lambda: over() or status not in self._context.settings.hold)

    def _running_seconds(self) -> float:
        settings = self._context.settings
        lines = 0 if self._examined is None else len(self._examined.offsets)
        return settings.running_seconds + settings.running_seconds_per_line * lines

    def _share_done(self) -> float:
        """Share of what is done before the end that is done by now; a held batch has come that far."""
        if "in_progress" in self._context.settings.hold:
            return 1.0
        seconds = self._running_seconds()
        return min(1.0, (time.monotonic() - self._since) / seconds) if seconds else 1.0

    async def _execute(self, snapshot: Path, ending: Status) -> Outcome:
        assert self._examined is not None
        share = self._examined.done_share if self.batch.in_progress_at is not None else 0.0
        disk = self._context.disk
        plan = Plan(
            batch_id=self.batch.id,
            endpoint=self._examined.endpoint,
            model=self.batch.model,
            ending=ending,
            done_share=1.0 if ending == "completed" else share,
            input_path=snapshot,
            offsets=self._examined.offsets,
            output_path=self._place("output"),
            error_path=self._place("error"),
            created=int(self._context.now()),
            seed=self._seed,
            settings=self._context.settings,
            empty_error_file=self._context.flavour.empty_error_file,
            finish=self._context.flavour.finish,
            faults=self._fault.rows,
        )
        return await disk.work(self._context.flavour.execution(plan).run, disk.stop)

    def _place(self, kind: str) -> Path:
        return self._context.disk.path(f"{self.batch.id.replace('/', '-')}.{kind}")

    async def _end(self, ending: Status, outcome: Outcome) -> None:
        counts = self._fault.counts or outcome.counts
        if ending == "cancelled" and self._context.settings.reset_cancelled_counts:
            counts = RequestCounts(total=counts.total, completed=0, failed=counts.total)
        self._looks_without_ids = self._fault.ids_late
        if self._fault.ids_late_seconds:
            self._ids_from = self._context.now() + self._fault.ids_late_seconds
        self.unexecuted = outcome.unexecuted
        if ending in UNFINISHED and self._context.settings.cut_short_results == "none":
            await self._throw_away(outcome)
            self._become(ending, request_counts=counts)
            return
        self._become(
            ending,
            request_counts=counts,
            usage=outcome.batch_usage,
            output_file_id=await self._publish(outcome.outputs, "output"),
            error_file_id=await self._publish(outcome.errors, "error"),
        )

    async def _throw_away(self, outcome: Outcome) -> None:
        for written in (*outcome.outputs, *outcome.errors):
            await self._context.disk.run(written.path.unlink)

    async def _publish(self, several: tuple[Written, ...], kind: str) -> str | None:
        """Make files of what was written; the id that the batch has for them."""
        if not several:
            return None
        flavour = self._context.flavour
        places = flavour.result_places(self.batch, self.details, kind, len(several))
        made: list[StoredFile] = []
        for written, (file_id, filename) in zip(several, places.files, strict=True):
            details: JSON | None = None
            if flavour.measure is not None:
                _, details = await self._context.disk.run(flavour.measure, written.path)
            stored = self._files.add(
                written,
                filename,
                "batch_output",
                self._output_seconds,
                project=self.project,
                file_id=file_id,
                details=details,
            )
            made.append(stored)
        return places.shown or made[0].shown.id

    def _become(self, status: Status, **changes: Any) -> None:
        stamp = {STAMPS[status]: int(self._context.now())} if status in STAMPS else {}
        self.batch = msgspec.structs.replace(self.batch, status=status, **stamp, **changes)
        self._released = False
        if status in TERMINAL:
            self._queues.free(self.batch.id)
        self._wakeup.notify()
        self._context.wakeup.notify()

    async def _strike(self, call: Literal["validate_batch", "run_batch"]) -> Fault:
        """The fault that the batch runs into, with its waiting done."""
        faults, status = self._context.faults, self.batch.status
        armed = faults.strike(call, self._context.name, self.marks(), model=self.batch.model)
        if armed is None:
            return NO_FAULT
        await faults.wait(armed, lambda: self._expiring or self.has_left(status))
        return armed.fault
