"""The progress of one batch, from its creation to its end.

::

    validating ──> in_progress ──> finalizing ──> completed
        ├──> failed    ├───> expired <───┤
        └──────────────┴──> cancelling <─┘ ──> cancelled

Before it is `validating` it may be `scheduling`, from which a cancel leads to `cancelling` too. A provider
may also finish while it is `cancelling`, or fail once it has run: a fault's `ending` asks for that.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import msgspec

from .account_context import AccountContext
from .course import CutShort
from .execution import Outcome, Plan
from .fault_book import marks_of
from .faults import ArmedFault, CallName, Fault
from .file_store import FileStore
from .input_check import InputCheck
from .json_values import JSON
from .objects import STAMPS, TERMINAL, BatchErrors, BatchObject, BatchProblem, RequestCounts
from .publication import Publication
from .running import Running
from .settings import Status
from .token_queues import TokenQueues
from .validation import Examined
from .wakeup import Wakeup

logger: logging.Logger = logging.getLogger(__name__)

NO_FAULT = Fault()

FAILED_RUNNING = BatchProblem(code="server_error", message="The batch failed while it was running.")
INTERNAL_ERROR = BatchProblem(code="server_error", message="The simulator has a defect: see its log.")


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
        self._publication = Publication(context, files, self.project, output_seconds)
        self.details: JSON = details
        """what the flavour knows of the batch beside that"""
        self.unexecuted: int = 0
        """how many lines were not run, once the batch has ended"""
        self.history: list[tuple[Status, float]] = [(batch.status, time.time())]
        """when the batch came to each of its statuses, in Unix seconds by the machine's clock"""
        self.examined: Examined | None = None
        """the input, once it was looked at"""
        self.run_share: float = 0.0
        """share of the lines that were run, once the batch has ended"""
        self._wakeup = Wakeup()
        self._released = False
        self._expiring = False
        self._window = context.settings.window_seconds
        self._running: Running | None = None
        self._starting: ArmedFault | None = None
        """what the batch runs into as it starts to run"""
        self._fault = NO_FAULT
        self._looks_without_ids = 0
        self._ids_from = 0.0
        """Unix seconds before which the ids of the result files are not shown"""

    # what clients and tests see and do

    def shown(self) -> BatchObject:
        """The batch as it is at this moment. Its counts never go back."""
        batch, counts = self.batch, self._counts()
        if self._tells_no_counts():
            counts = RequestCounts(total=counts.total)
        if self._looks_without_ids or self._context.now() < self._ids_from:
            batch = msgspec.structs.replace(batch, output_file_id=None, error_file_id=None)
        return (
            batch if counts == batch.request_counts else msgspec.structs.replace(batch, request_counts=counts)
        )

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
        if self._running is not None:
            self._running.stop()
        self._become("cancelling", request_counts=self._counts())
        return True

    def release(self) -> None:
        """Leave the present status as soon as its work is done."""
        self._released = True
        self._wakeup.notify()
        self._context.wakeup.notify()

    def expire(self) -> None:
        """End as `expired`, unless the batch is being cancelled or has ended."""
        self._expiring = True
        self._wakeup.notify()
        self._context.wakeup.notify()

    def reconsider(self) -> None:
        """Look again at the settings and the clock."""
        deadline = self._deadline()
        is_over = deadline is not None and self._context.now() >= deadline
        is_done = self._running is not None and self._running.is_done
        self._expiring = self._expiring or (is_over and not is_done)
        self._wakeup.notify()

    def has_left(self, status: Status) -> bool:
        """Whether the batch is in another status now."""
        return self.batch.status != status

    @property
    def has_ended(self) -> bool:
        """Whether it can run no line any more."""
        return self.batch.status in TERMINAL

    def marks(self) -> list[str]:
        """What the `match` of a fault is looked for in."""
        return [self.batch.id, *marks_of(self.batch.metadata)]

    # the task

    async def run(self) -> None:
        """Go through all statuses, to an end; what lies at `snapshot` is removed then."""
        try:
            start = self._from_the_start if self.examined is None else self._from_running
            await self._to_an_end(start(self.snapshot))
        finally:
            await self._context.disk.run(self.snapshot.unlink, missing_ok=True)

    @property
    def snapshot(self) -> Path:
        """Where the input of the batch lies while it runs."""
        return self._place("input")

    def begin_running(self, examined: Examined) -> None:
        """Be `in_progress`, with an input that was found good."""
        self.examined = examined
        self._queues.hold(self.batch.id, examined)
        self._become(
            "in_progress",
            model=examined.model or self.batch.model,
            endpoint=examined.endpoint,
            request_counts=RequestCounts(total=len(examined.offsets)),
        )
        self._starting = self._armed("start_batch")
        self._running = Running(self._context, examined, self._starting)

    async def run_on(self, snapshot: Path) -> None:
        """Go through the statuses that follow; the input lies at `snapshot`, and is left there."""
        await self._to_an_end(self._from_running(snapshot))

    async def _to_an_end(self, work: Awaitable[None]) -> None:
        if self._window is not None:
            self._context.start(self._keep_window())
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
        self.examined = checked.examined
        if checked.problems:
            await self._refuse(checked.problems)
            return
        if self.examined is not None and self.batch.status == "validating" and not self._expiring:
            self.begin_running(self.examined)
        await self._from_running(snapshot)

    async def _from_running(self, snapshot: Path) -> None:
        if self._running is not None:
            await self._run_lines(self._running)
        self._fault = await self._strike("run_batch")
        outcome = await self._finalize(snapshot)
        if self.batch.status == "cancelling":
            await self._be_cancelling()
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
        await self._be_cancelling()
        self._become("cancelled")

    async def _be_cancelling(self) -> None:
        await self._dwell(self._context.settings.cancelling_seconds)
        await self._strike("finish_cancel")

    async def _run_lines(self, running: Running) -> None:
        """Stay `in_progress` until all lines are done that will be, and on while that is held."""
        if self._starting is not None:
            await self._wait(self._starting)
        # what a fault says can change without the batch being told
        wakeup = self._wakeup if self._starting is None else self._context.wakeup
        await running.run(wakeup, lambda: self._released or self._expiring or self.has_left("in_progress"))

    async def _keep_window(self) -> None:
        """Expire when the window is over that the settings gave the batch."""
        while (left := (self._deadline() or 0.0) - self._context.now()) > 0:
            await self._context.until_changed(self._wakeup, lambda: self.has_ended, left)
            if self.has_ended:
                return
        self.reconsider()

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
        if self._expiring:
            return "expired"
        return (self._running and self._running.ending) or "completed"

    def _deadline(self) -> float | None:
        """Unix seconds, by the account's clock."""
        window = self._window
        return self._context.flavour.deadline(self.batch) if window is None else self.made_at + window

    def _counts(self) -> RequestCounts:
        if self._running is None or self.batch.status != "in_progress":
            return self.batch.request_counts
        return self._running.counts()

    def _tells_no_counts(self) -> bool:
        told = "running" if self._running is None else self._running.course.counts
        return told == "never" or (told == "ended" and self.batch.status not in TERMINAL)

    async def _dwell(self, seconds: float) -> None:
        """Stay in the present status for `seconds`, and on while it is held, unless something ends it."""
        status = self.batch.status

        def over() -> bool:
            return self._released or self._expiring or self.batch.status != status

        await self._wakeup.until_or(over, seconds)
        await self._wakeup.until(lambda: over() or status not in self._context.settings.hold)

    def _share_of(self, ending: Status) -> float:
        """Share of the lines that are run if the batch ends so."""
        if ending == "completed" or self._running is None:
            return float(ending == "completed")
        by_itself = not self._expiring and self.batch.status == "in_progress"
        return self._running.share_of_ending(by_itself=by_itself)

    @property
    def _cut_short_results(self) -> CutShort:
        if self._context.settings.flavour == "anthropic":
            return "whole"  # its results say of each request what became of it
        course = None if self._running is None else self._running.course
        return (course and course.cut_short_results) or self._context.settings.cut_short_results

    async def _execute(self, snapshot: Path, ending: Status) -> Outcome:
        assert self.examined is not None
        self.run_share = self._share_of(ending)
        disk = self._context.disk
        plan = Plan(
            batch_id=self.batch.id,
            endpoint=self.examined.endpoint,
            model=self.batch.model,
            ending=ending,
            done_share=self.run_share,
            cut_short_results=self._cut_short_results,
            input_path=snapshot,
            offsets=self.examined.offsets,
            digests=self.examined.digests,
            lines_run=self._context.lines_run,
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
        starting = NO_FAULT if self._starting is None else self._starting.fault
        why = self._fault.problem or starting.problem or FAILED_RUNNING
        errors = BatchErrors(data=(why,)) if ending == "failed" else None
        if ending != "completed" and self._cut_short_results == "none":
            await self._publication.throw_away((*outcome.outputs, *outcome.errors))
            self._become(ending, request_counts=counts, errors=errors)
            return
        publish = self._publication.publish
        self._become(
            ending,
            request_counts=counts,
            errors=errors,
            usage=outcome.batch_usage,
            output_file_id=await publish(self.batch, self.details, "output", outcome.outputs),
            error_file_id=await publish(self.batch, self.details, "error", outcome.errors),
        )

    def _become(self, status: Status, **changes: Any) -> None:
        stamp = {STAMPS[status]: int(self._context.now())} if status in STAMPS else {}
        self.batch = msgspec.structs.replace(self.batch, status=status, **stamp, **changes)
        self.history.append((status, time.time()))
        self._released = False
        if status in TERMINAL:
            self._queues.free(self.batch.id)
        self._wakeup.notify()
        self._context.wakeup.notify()

    def _armed(self, call: CallName) -> ArmedFault | None:
        """The fault that the batch runs into, counted as struck."""
        context = self._context
        return context.faults.strike(call, context.name, self.marks(), model=self.batch.model)

    async def _strike(self, call: CallName) -> Fault:
        """The same, with its waiting done."""
        armed = self._armed(call)
        if armed is None:
            return NO_FAULT
        await self._wait(armed)
        return armed.fault

    async def _wait(self, armed: ArmedFault) -> None:
        status = self.batch.status
        is_cancelling = status == "cancelling"
        await self._context.faults.wait(
            armed, lambda: self.has_left(status) or (self._expiring and not is_cancelling)
        )
