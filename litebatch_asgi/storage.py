"""The seam to the database that keeps files, batches and everything between.

Whoever writes a backend implements `Storage`; each sentence of its docstrings is held by a test of
`litebatch_asgi.testing.conformance.StorageConformance`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from datetime import datetime
from typing import Protocol, TypeAlias

import msgspec

from litebatch_asgi.claims import ClaimStore
from litebatch_asgi.contents import ContentRows
from litebatch_asgi.figures import FigureStore
from litebatch_asgi.heartbeats import HeartbeatStore
from litebatch_asgi.jobs import JobStore
from litebatch_asgi.ledger import Ledger
from litebatch_asgi.lines import LineStore
from litebatch_asgi.models import (
    Batch,
    BatchChange,
    BatchState,
    CreateRequest,
    Event,
    File,
    FileChange,
    FileCopy,
    FileHold,
    FilePart,
    FileState,
    ModelPattern,
    Shard,
)
from litebatch_asgi.outbox import Outbox
from litebatch_asgi.pruning import PruningStore
from litebatch_asgi.quotas import QuotaStore
from litebatch_asgi.search import SearchStore
from litebatch_asgi.sessions import SessionStore
from litebatch_asgi.shards import ShardStore
from litebatch_asgi.uploads import UploadStore
from litebatch_asgi.webhooks.endpoints import WebhookEndpointStore
from litebatch_asgi.webhooks.queue import WebhookQueue

FileDecision: TypeAlias = Callable[[FileState], FileChange | None]
"""Pure: looks at the locked file and says what to write; None: nothing. What it raises passes through."""
BatchDecision: TypeAlias = Callable[[BatchState], BatchChange | None]
"""Pure: looks at the locked batch and says what to write; None: nothing. What it raises passes through."""
Admission: TypeAlias = Callable[[FileState], BatchChange]
"""Pure: looks at the locked input file and says what to create. What it raises passes through."""


class Installation(msgspec.Struct, frozen=True, kw_only=True):
    """What a database says of itself."""

    id: str
    """random, made once a database"""
    schema_version: int
    """the number of the newest migration that was applied"""
    fingerprint: str | None = None
    """of where the database lives; None: not known yet"""


class FileQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which files to list."""

    owner: str | None
    """None: every owner's"""
    now: datetime
    """files that have expired by then are left out"""
    expired: bool = False
    """the files that have expired by `now`, and no others; those longest expired first"""
    purpose: str | None = None
    models: tuple[str, ...] = ()
    """files for at least one of these virtual models; empty: for any"""
    patterns: tuple[ModelPattern, ...] = ()
    """files for at least one virtual model whose best pattern is wanted; empty: for any"""
    after: File | None = None
    """the last file of the page before"""
    descending: bool = True
    """newest first, unless `expired`"""
    limit: int


class BatchQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which batches to list, newest first."""

    owner: str | None
    """None: every owner's"""
    models: tuple[str, ...] = ()
    """batches of one of these virtual models; empty: of any"""
    patterns: tuple[ModelPattern, ...] = ()
    """batches whose virtual model's best pattern is wanted; empty: all"""
    after: Batch | None = None
    """the last batch of the page before"""
    limit: int


class Storage(Protocol):
    """Keeps files, copies, batches, jobs and events.

    Every method may raise `StorageUnavailable` when the database does not answer, and does when the
    storage is not open; then nothing was written, unless the commit itself was lost. A method that is
    cancelled has written all or nothing. What was written before is seen by everything that begins after.

    Leases are of the database's clock, never of a process's. Where `lease_seconds` is given, a job or copy
    that is written with `claimed_by` and without `claimed_until` is claimed for that many seconds from the
    moment it is written at; every other row is written as it is. Texts may hold any character; instead of
    U+0000, which not every database can keep, U+FFFD may come back.
    """

    @property
    def claims(self) -> ClaimStore:
        """What is due, and who works on it; there while the storage is open."""
        ...

    @property
    def ledger(self) -> Ledger:
        """What was charged, summed up; there while the storage is open."""
        ...

    @property
    def outbox(self) -> Outbox:
        """What has happened, and to whom it is still to be told; there while the storage is open."""
        ...

    @property
    def heartbeats(self) -> HeartbeatStore:
        """What the processes on this database are configured with; there while the storage is open."""
        ...

    @property
    def figures(self) -> FigureStore:
        """What is open and how late what is due is, over all processes; there while the storage is open."""
        ...

    @property
    def pruning(self) -> PruningStore:
        """Removes what nobody needs any more; there while the storage is open."""
        ...

    @property
    def contents(self) -> ContentRows:
        """What is in content stores, the database itself among them; there while the storage is open."""
        ...

    @property
    def lines(self) -> LineStore:
        """Lines that we run ourselves, and their results; there while the storage is open."""
        ...

    @property
    def shards(self) -> ShardStore:
        """Runs of lines of batch inputs; there while the storage is open."""
        ...

    @property
    def jobs(self) -> JobStore:
        """Jobs over all batches, as operators see them; there while the storage is open."""
        ...

    @property
    def quotas(self) -> QuotaStore:
        """How many tokens deployments take at once, as was learned; there while the storage is open."""
        ...

    @property
    def sessions(self) -> SessionStore:
        """Sessions of the page that were ended before their time; there while the storage is open."""
        ...

    @property
    def search(self) -> SearchStore:
        """Finds batches and files by what is known of them; there while the storage is open."""
        ...

    @property
    def uploads(self) -> UploadStore:
        """Files that are sent in parts, before they are files; there while the storage is open."""
        ...

    @property
    def webhook_endpoints(self) -> WebhookEndpointStore:
        """Where owners want to be told of their batches; there while the storage is open."""
        ...

    @property
    def webhook_queue(self) -> WebhookQueue:
        """What is still to be sent there; there while the storage is open."""
        ...

    async def open(self) -> Installation:
        """Make ready for use: connect, apply missing migrations, make the installation id if there is none.

        Several processes may do so at once. Opening what is newer than this code raises `ConfigError`.
        """
        ...

    async def close(self) -> None:
        """Close what `open` opened, and nothing else. Closing twice is harmless."""
        ...

    async def now(self) -> datetime:
        """The time by the database's clock, aware and in UTC."""
        ...

    async def create_file(
        self,
        file: File,
        copies: Sequence[FileCopy],
        *,
        shards: Sequence[Shard] = (),
        request: CreateRequest | None = None,
        lease_seconds: float | None = None,
        holds: Sequence[FileHold] = (),
    ) -> FileState:
        """Insert a file with its tiles and copies, all or none, unless `request` repeats an earlier one.

        Returns the state as written. Raises `StateConflict` if one of them is there already. The id of the
        file is `request.object_id`. What the earlier request made is returned, instead of inserting, as it
        is now, if it is accepted. Where it is not, and a claim on one of its copies runs, `RequestUnderWay`
        is raised; without such a claim it counts as gone.

        With a key, the earlier request is the one of the same owner that took the key since `keys_since`;
        `KeyReused` is raised if its fingerprint is another. A key whose file is gone, deleted or expired
        is free again, as is one that is older. A create that raises takes no key.

        Without a key, and with `is_retry`, it is the oldest one of the same fingerprint, created since
        `unanswered_since`, whose object has no `answered_at`. While `answering_until` of the object has not
        come it is not given out, and if there are only such ones `RequestUnderWay` is raised. What is given
        out gets the `answering_until` of the request, so that no two retries get the same.

        With an `upload_id` it is the one that has made the `file_id` of that upload, whose `completion` is
        its fingerprint: `StateConflict` is raised if that is another. What is inserted is the `file_id` from
        then on. Raises `StateConflict` if there is no such upload, if it is `cancelled` or
        `expired`, or if it is `completed` and its file gone. No other change of the upload passes in between.

        Each of `holds` is checked against the number of files that hold a place in its scope, while no other
        file can take one there: what that raises passes through. The new file then holds these places, until
        it is written with `deleted_at` or removed.
        """
        ...

    async def get_file(self, file_id: str) -> FileState | None:
        """The file, visible or not, with its tiles, and its copies in order of (shard, deployment_id)."""
        ...

    def file_parts(self, file_id: str) -> AsyncIterator[FilePart]:
        """The parts of an output or error file in order of (place, seq), one in memory at a time."""
        ...

    async def list_files(self, query: FileQuery) -> list[File]:
        """At most `limit` accepted, undeleted, unexpired files, in order of (created_at, id).

        With `expired`: accepted, undeleted, expired ones, in order of (expires_at, id).
        """
        ...

    async def change_file(self, file_id: str, decide: FileDecision) -> FileState:
        """Lock the file, let `decide` look at it, write what it says; all of it or nothing.

        No other change of the file, and no creation of a batch on it, passes in between. Returns the state
        as written; of a removed file, as it was, without copies. Raises `StateConflict` if the file is not
        there, or if a copy to write is not there or has another epoch. A copy whose key is not there is
        inserted if it carries epoch 0. `decide` must keep the file's id, owner, kind, purpose, models and
        created_at.
        """
        ...

    async def create_batch(
        self, file_id: str, admit: Admission, *, request: CreateRequest | None = None
    ) -> BatchState:
        """Lock the input file, let `admit` look at it, insert the batch, shards, jobs and events it says.

        Returns the state as written. Raises `StateConflict` if the file is not there, or if a new row is
        there already. Before anything else a repetition is recognised by the same rules as of `create_file`;
        a batch is always accepted, and stays.

        Each of the change's `reservations` is checked, for each of its `periods`, against what the open
        batches of its scope hold and what was charged to it since, read at one moment, while no other batch
        can reserve there: what that raises passes through. The new batch then holds them, until the change
        that writes it with a final status. A change with `settled_requests` gives back their share before
        that: so many requests, and as much of the tokens and of the cost as falls to them. What is left is
        rounded down.
        """
        ...

    async def get_batch(self, batch_id: str) -> Batch | None:
        """The batch alone, by one read."""
        ...

    async def get_batch_state(self, batch_id: str) -> BatchState | None:
        """The batch with its jobs, and while it is open its result files, which are not accepted then."""
        ...

    async def list_batches(self, query: BatchQuery) -> list[Batch]:
        """At most `limit` batches in order of (created_at, id), descending."""
        ...

    async def change_batch(self, batch_id: str, decide: BatchDecision) -> BatchState:
        """Lock the batch, let `decide` look at it, write what it says; all of it or nothing.

        No other change of the batch passes in between. Returns the state as written. Raises
        `StateConflict` if the batch is not there, if a job to write or to remove is not there or has another
        epoch in the database, if a new row is there already (of a job: its id, or its attempt at the shard;
        of a range of a live job: its job and number), or if a job has been charged for the model before, or
        a charge been corrected. Results of live jobs that are over then are swept away unless a file names
        them, see `LineStore.sweep`. Jobs are removed before
        others are inserted. `parts` are iterated off the event loop. `decide` must keep the batch's id,
        owner, model, input_file_id, created_at and scopes.

        Charges are added to the sums of the `ledger`. The batch's `cost` and `unpriced_requests` are what its
        charges come to, whatever `decide` says; the cost is None while there are no charges, or while what a
        job used of a model has no price.
        Events get the next numbers of their subjects, and are queued in the `outbox`, and for the
        `webhook_endpoints` of their owner that want them.
        """
        ...

    async def change_batches(self, batch_ids: Collection[str], decide: BatchDecision) -> None:
        """`change_batch` of many batches, in one transaction; those that are not there are passed over.

        A round trip or two for all that only their row, jobs and events change of, so that some hundred cost
        little more than one. Raises `StateConflict` as `change_batch` does, and then none is changed.
        """
        ...

    async def open_requests(self) -> dict[str, int]:
        """By deployment: the requests of its jobs that are waiting for it, under way or running there."""
        ...

    async def known_provider_batches(
        self, deployment_id: str, provider_batch_ids: Collection[str]
    ) -> frozenset[str]:
        """Those of a deployment's batches that a job there names as its `provider_batch_id`."""
        ...

    async def unanswered_jobs(
        self, deployment_id: str, requests: int, *, with_waiting: bool = False
    ) -> frozenset[str]:
        """The ids of a deployment's jobs with so many requests that may have made a batch nobody names.

        They are submitting, unclear, or watched and still to be looked at, and have no `provider_batch_id`.
        `with_waiting`: also those that wait for any deployment, which a database that was restored may not
        know to be sent.
        """
        ...

    async def list_events(self, *, after: str | None = None, limit: int = 100) -> list[Event]:
        """Events in order of their ids, those behind the id `after`."""
        ...
