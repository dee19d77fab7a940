"""Batches: the managed object, its jobs at the deployments, and what settling them leaves."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Literal

import msgspec

from litebatch_asgi.models.claims import Work
from litebatch_asgi.models.events import Event
from litebatch_asgi.models.files import File, FileCopy, FilePart
from litebatch_asgi.models.lines import Lane, LineRange
from litebatch_asgi.models.provider import BatchError, BatchStatus, ProviderBatch
from litebatch_asgi.models.reservations import Reservation
from litebatch_asgi.models.shards import Shard
from litebatch_asgi.models.usage import ChargedUsage, Counts, Usage
from litebatch_asgi.models.waiting import WaitingFor


class BatchOptions(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a create has asked for beside OpenAI's parameters; None: as the gateway's settings say."""

    rescue: bool | None = None
    """whether what a job leaves undone is handed on to another deployment"""
    row_retries: int | None = None
    """how often requests are run anew that have failed for a passing reason"""
    at_expiry: Literal["wait", "stop"] | None = None
    """what happens to jobs that still run at `expires_at` where their provider does not end them"""
    canary: int | None = None
    """how many requests are run live before all others; if all of them fail, the others are not run"""


class Batch(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A managed batch. The timestamps are those of OpenAI's Batch object."""

    id: str
    owner: str
    created_by: str | None
    """the principal's `key_id`"""
    input_file_id: str
    endpoint: str
    completion_window: str
    model: str
    """the virtual model"""
    metadata: dict[str, str] | None = None
    output_expires_after: int | None = None
    """seconds after the creation of an output or error file"""
    status: BatchStatus = BatchStatus.VALIDATING
    created_at: datetime
    in_progress_at: datetime | None = None
    expires_at: datetime
    finalizing_at: datetime | None = None
    completed_at: datetime | None = None
    failed_at: datetime | None = None
    expired_at: datetime | None = None
    cancelling_at: datetime | None = None
    cancelled_at: datetime | None = None
    counts: Counts = Counts()
    usage: Usage | None = None
    errors: tuple[BatchError, ...] = ()
    output_file_id: str | None = None
    """not accepted, and shown to nobody, until the batch has ended"""
    error_file_id: str | None = None
    """likewise"""
    cancel_requested_at: datetime | None = None
    looked_at: datetime | None = None
    """when somebody last tried to look at it at its provider, with or without success"""
    request_fingerprint: str | None = None
    """equal for creates of one caller with equal parameters; None: no retry can ask for it"""
    answering_until: datetime | None = None
    """until when an answer to its create may be under way"""
    answered_at: datetime | None = None
    """when the answer to its create was sent whole"""
    deployment_id: str | None = None
    """where it is, as far as it is anywhere; shown to admins alone"""
    waiting_for: WaitingFor | None = None
    """what keeps it from going on; None: nothing"""
    cost: Decimal | None = None
    """US dollars for what is settled; None: nothing is settled, or a part of it has no price"""
    unpriced_requests: int = 0
    """successful ones that `cost` leaves out, for their usage makes no sense or has no price"""
    scopes: tuple[str, ...] = ()
    """whose limits it counts in, such as `team:search`; its charges are put on their budgets"""
    traceparent: str | None = None
    """the span of the request that has made it, see `litebatch_asgi.tracing`; never shown to clients"""
    estimated_cost: Decimal | None = None
    """US dollars that it was estimated at when it was made; None: nobody knew, or nobody had limits"""
    options: BatchOptions | None = None
    retry_of: str | None = None
    """the batch whose undone lines it runs; None: it runs the whole file"""


class JobState(StrEnum):
    """The life of a job; `lifecycle` has the table of what may follow what."""

    WAITING = "waiting"
    """nothing was sent for it"""
    SUBMITTING = "submitting"
    """its target is written; a call may be under way or may have died"""
    UNCLEAR = "unclear"
    """the call ended without a clear answer; the deployment's list is searched for its tag"""
    SUBMITTED = "submitted"
    """the provider has it"""
    ENDED = "ended"
    """the provider is through with it; its results are to be settled"""
    SETTLED = "settled"
    REFUSED = "refused"
    """the deployment did not take it, or gave it back undone"""
    FAILED = "failed"
    """the content was refused: no other deployment would take it"""
    WITHDRAWN = "withdrawn"
    """nothing was sent and nothing will be: cancelled or expired in time"""
    WATCHED = "watched"
    """given up as unclear and followed by another job; a twin that still shows up is cancelled"""
    CLOSED = "closed"
    """the end of a watch; with a `provider_batch_id` if a twin was found and cancelled"""


_WORK = {
    JobState.SUBMITTED: Work.LOOK,
    JobState.UNCLEAR: Work.SEARCH,
    JobState.WATCHED: Work.SEARCH,
    JobState.ENDED: Work.SETTLE,
}


class StopReason(StrEnum):
    """Why a job is stopped at its deployment before it has ended."""

    LATE = "late"
    """it would not be through in time"""
    EXPIRED = "expired"
    """the time of its batch is over"""
    STOPPED = "stopped"
    """an operator wants it to end"""
    MOVED = "moved"
    """an operator wants its lines to run at another deployment"""
    DRAINED = "drained"
    """an operator drains its deployment"""
    GONE = "gone"
    """no process has its deployment any more, which we run it at request by request"""
    CANARY = "canary_overdue"
    """it is a canary that its batch does not wait for any longer"""


class ShortRead(msgspec.Struct, frozen=True, kw_only=True):
    """A read of a job's results in which rows were missing."""

    at: datetime
    seen: str
    """equal for reads that saw the same"""
    rows: int = 0
    """lines that are of the input, legible or not"""
    withheld_since: datetime | None = None
    """since when the provider names files that it does not give whole; None: it does"""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What settling a job has found of the lines of its shard. Each line counts once."""

    counts: Counts
    """of the rows that were published; `total` is their number"""
    usage: Usage | None = None
    cancelled: int = 0
    """of these rows: lines that were left undone because the batch was cancelled"""
    expired: int = 0
    """of these rows: lines that were left undone because its time was over"""
    handed_on: int = 0
    """lines that came into derived shards instead, and have no row"""
    executed: int = 0
    """of these rows: lines that the provider has run, with or without success"""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt to run one shard of a batch on one deployment.

    A job that was sent never changes its deployment: moving on ends it and begins another.
    """

    id: str
    batch_id: str
    owner: str
    """the batch's"""
    shard: int = 0
    root: int = 0
    """the tile that the lines of the shard are of, see `Shard`"""
    parent: int | None = None
    """the shard whose job has left these lines to it; None: they came with the batch"""
    attempt: int = 1
    """counted from 1 within the shard"""
    requests: int
    """lines of the shard"""
    tokens: int = 0
    """of these lines, estimated; 0: not known"""
    deployment_id: str | None = None
    """None: waiting for any deployment"""
    lane: Lane = Lane.NATIVE
    """how it runs there; known once it is placed"""
    provider_file_id: str | None = None
    submit_started_at: datetime | None = None
    state: JobState = JobState.WAITING
    provider_batch_id: str | None = None
    snapshot: ProviderBatch | None = None
    """the provider's last word, with the highest counts that it ever told"""
    reason: str | None = None
    """why it ended as it did, for the log"""
    search_until: datetime | None = None
    """from when on a complete listing without our tag means that the provider never made it

    Of a job that its provider has: until when another one of its shard may still turn up, which is then
    cancelled; of one that waits, how long it is asked whether a provider has it already.
    """
    to_cancel: bool = False
    """its batch is to be cancelled, and its provider does not know yet"""
    cancel_sent_at: datetime | None = None
    reads: tuple[ShortRead, ...] = ()
    """earlier reads of its results that had rows missing and agree with each other"""
    created_at: datetime
    ended_at: datetime | None = None
    """when it was first seen that its deployment is through with it, or will not run it"""
    next_check_at: datetime | None = None
    """when somebody has to look at it; None: never"""
    refresh_from: datetime | None = None
    """from when on a client's wish may bring the next look forward; None: never"""
    checks: int = 0
    """looks at one status, in a row: what the time until the next one grows with"""
    progress_at: datetime | None = None
    """when a look last showed more requests done than before; None: none did"""
    looked_since: datetime | None = None
    """since when looks at it follow each other without a gap; None: nobody has looked"""
    late_from: datetime | None = None
    """from when on every look asks whether it is late; None: nobody has looked"""
    copy_refusals: int = 0
    """how often deployments could not use their copy, this attempt and those before together"""
    stop_requested_at: datetime | None = None
    """when it was decided to stop it, so that what it leaves undone can be handed on; None: it was not"""
    stop_reason: str | None = None
    """why: a `StopReason`"""
    may_hand_on: bool = False
    """of an ended job: whether lines that it has left undone may be handed on"""
    outcome: Outcome | None = None
    """of a settled job"""
    errors: tuple[BatchError, ...] = ()
    """of a failed job: why its content was refused, fit for the owner"""
    claimed_by: str | None = None
    claimed_until: datetime | None = None
    epoch: int = 0
    """counts claims; a write that carries an old epoch is refused"""

    @property
    def name(self) -> str:
        """See `Claim`."""
        return f"job {self.id}"

    @property
    def is_moved(self) -> bool:
        """Whether an operator wants its lines to run at another deployment."""
        return self.stop_reason == StopReason.MOVED

    @property
    def work(self) -> Work:
        """What is to be done with it once it is due."""
        return _WORK.get(self.state, Work.PLACE)


class Charge(msgspec.Struct, frozen=True, kw_only=True):
    """What one job consumed of one model: one row a job and model, ever, beside its correction.

    Charges outlive their jobs and batches.
    """

    id: str
    job_id: str
    batch_id: str
    deployment_id: str
    owner: str
    created_by: str | None
    model: str
    """the one that answered, by the provider's name"""
    usage: ChargedUsage
    cost: Decimal | None
    """in US dollars, with nine decimals; None: no price known"""
    price_source: str | None
    """who told the price: `config`, `file:NAME`, or such as `genai-prices 0.2.3 batch`; `unknown`: nobody

    None: no request succeeded, which costs nothing.
    """
    corrects: str | None = None
    """the id of the charge that this one corrects; a charge is corrected once at most

    A correction holds differences: the job costs the sum of its charges.
    """
    scopes: tuple[str, ...] = ()
    """whose budgets it is put on: the batch's `scopes`"""
    assumed_cost: Decimal | None = None
    """US dollars that requests without a price count on these budgets: what they were estimated at

    It is no part of what was spent. Otherwise whoever has a budget could go on for ever behind a provider
    whose usage makes no sense.
    """
    created_at: datetime


class BatchState(msgspec.Struct, frozen=True, kw_only=True):
    """A batch with its jobs in order of (shard, attempt), read at one moment."""

    batch: Batch
    jobs: tuple[Job, ...]
    results: tuple[File, ...] = ()
    """the result files of an open batch, as far as its jobs have left anything; nobody sees them yet"""


class BatchChange(msgspec.Struct, frozen=True, kw_only=True):
    """What to write in one transaction after looking at a `BatchState` (or, to create one, at its file)."""

    batch: Batch
    jobs: tuple[Job, ...] = ()
    """rows as they shall be, each fenced by the epoch that it carries"""
    new_jobs: tuple[Job, ...] = ()
    removed_jobs: tuple[Job, ...] = ()
    """rows that go, each fenced by the epoch that it carries; what they were charged stays"""
    new_shards: tuple[Shard, ...] = ()
    """derived ones, with numbers of their own"""
    files: tuple[File, ...] = ()
    """output and error files, new or as they shall be

    Copies of the parts of one that has an end are due then, unless somebody looks at them before.
    """
    copies: tuple[FileCopy, ...] = ()
    """the provider's files that those are made of"""
    line_ranges: tuple[LineRange, ...] = ()
    """new rows, of live jobs that are placed: all of a job's at once"""
    parts: Iterable[FilePart] = ()
    """read once, inside the transaction: rows kept on disk need not come into memory together

    Their `seq` counts from 0 for each file; what the file has already comes before.
    """
    charges: tuple[Charge, ...] = ()
    events: tuple[Event, ...] = ()
    reservations: tuple[Reservation, ...] = ()
    """what a new batch holds of its creator's limits until it has ended"""
    settled_requests: int = 0
    """requests whose share of what the batch holds is given back before it ends"""
    lease_seconds: float | None = None
    """how long the claims run that rows are written with, see `Storage`"""
