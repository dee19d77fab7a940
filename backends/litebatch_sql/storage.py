"""What the SQL storages share."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeVar

from litebatch_asgi.claims import ClaimStore
from litebatch_asgi.contents import ContentRows
from litebatch_asgi.errors import RequestUnderWay, StateConflict, StorageUnavailable
from litebatch_asgi.figures import FigureStore
from litebatch_asgi.heartbeats import HeartbeatStore
from litebatch_asgi.installations import InstallationStore
from litebatch_asgi.jobs import JobStore
from litebatch_asgi.ledger import Ledger
from litebatch_asgi.lines import LineStore
from litebatch_asgi.models import (
    Batch,
    BatchState,
    CreateRequest,
    Event,
    File,
    FileCopy,
    FileHold,
    FilePart,
    FileState,
    Shard,
)
from litebatch_asgi.outbox import Outbox
from litebatch_asgi.pruning import PruningStore
from litebatch_asgi.quotas import QuotaStore
from litebatch_asgi.search import SearchStore
from litebatch_asgi.sessions import SessionStore
from litebatch_asgi.shards import ShardStore
from litebatch_asgi.storage import (
    Admission,
    BatchDecision,
    BatchQuery,
    FileDecision,
    FileQuery,
    Installation,
)
from litebatch_asgi.uploads import UploadStore
from litebatch_asgi.webhooks.endpoints import WebhookEndpointStore
from litebatch_asgi.webhooks.queue import WebhookQueue
from litebatch_sql.changes import Changes
from litebatch_sql.claims import SQLClaimStore
from litebatch_sql.contents import SQLContentRows
from litebatch_sql.executor import Executor, Namespace, Transaction, in_transaction
from litebatch_sql.figures import SQLFigureStore
from litebatch_sql.heartbeats import SQLHeartbeatStore
from litebatch_sql.installations import SQLInstallationStore
from litebatch_sql.jobs import SQLJobStore
from litebatch_sql.keys import SQLKeyStore
from litebatch_sql.leases import database_clock
from litebatch_sql.ledger import SQLLedger
from litebatch_sql.lines import SQLLineStore
from litebatch_sql.lists import Lists
from litebatch_sql.migrations import Migration, NamespaceChanged, load_migrations, migrate
from litebatch_sql.outbox import SQLOutbox
from litebatch_sql.pruning import SQLPruningStore
from litebatch_sql.queries import Queries, check_prefix
from litebatch_sql.quotas import SQLQuotaStore
from litebatch_sql.repeats import Repeats
from litebatch_sql.rows import Table, encode_keys, from_microseconds
from litebatch_sql.search import SQLSearchStore
from litebatch_sql.sessions import SQLSessionStore
from litebatch_sql.shards import SQLShardStore
from litebatch_sql.states import States
from litebatch_sql.tables import BATCHES, EVENTS, FILES, PARTS, TABLES
from litebatch_sql.threads import in_own_thread
from litebatch_sql.uploads import SQLUploadStore
from litebatch_sql.webhook_queue import SQLWebhookQueue
from litebatch_sql.webhooks import SQLWebhookEndpointStore

T = TypeVar("T")


class SQLStorage:
    """A `Storage` over an `Executor`.

    `package` is the import package with what is the database's own: fragments and queries in its
    `queries.sql`, as those of SQLite show, and perhaps `migrations`. Where the database does not lock as a
    whole, it has the queries `lock_schema`, `lock_file`, `lock_copies`, `lock_batch`, `lock_jobs`,
    `lock_scope`, `lock_due_jobs` and `lock_due_file_copies` too.
    `table_prefix` stands before the names of all tables and indexes; `ConfigError` if it cannot.
    """

    def __init__(self, executor: Executor, package: str, *, table_prefix: str = "") -> None:
        self._executor = executor
        self._package = package
        self._prefix = check_prefix(table_prefix)
        self._loaded: Queries | None = None
        self.keys = SQLKeyStore(executor, lambda: self._queries)
        self.claims: ClaimStore = SQLClaimStore(executor, lambda: self._queries)
        self.ledger: Ledger = SQLLedger(executor, lambda: self._queries)
        self.outbox: Outbox = SQLOutbox(executor, lambda: self._queries)
        self.heartbeats: HeartbeatStore = SQLHeartbeatStore(executor, lambda: self._queries)
        self.installations: InstallationStore = SQLInstallationStore(executor, self._visited)
        self.figures: FigureStore = SQLFigureStore(executor, lambda: self._queries)
        self.pruning: PruningStore = SQLPruningStore(executor, lambda: self._queries)
        self.lines: LineStore = SQLLineStore(executor, lambda: self._queries)
        self.shards: ShardStore = SQLShardStore(executor, lambda: self._queries)
        self.jobs: JobStore = SQLJobStore(executor, lambda: self._queries)
        self.quotas: QuotaStore = SQLQuotaStore(executor, lambda: self._queries)
        self.sessions: SessionStore = SQLSessionStore(executor, lambda: self._queries)
        self.search: SearchStore = SQLSearchStore(executor, lambda: self._queries)
        self.contents: ContentRows = SQLContentRows(executor, lambda: self._queries)
        self.uploads: UploadStore = SQLUploadStore(executor, lambda: self._queries)
        self.webhook_endpoints: WebhookEndpointStore = SQLWebhookEndpointStore(
            executor, lambda: self._queries
        )
        self.webhook_queue: WebhookQueue = SQLWebhookQueue(executor, lambda: self._queries)

    @property
    def _queries(self) -> Queries:
        if self._loaded is None:
            raise StorageUnavailable("The storage is not open.")
        return self._loaded

    async def open(self) -> Installation:
        """See `Storage.open`."""
        try:
            await self._connect()
            installation, self._loaded = await self._set_up()
        except BaseException:
            await self.close()
            raise
        return installation

    async def _set_up(self) -> tuple[Installation, Queries]:
        while True:  # once more at most: tables of ours stay where they are
            namespace = await self._executor.namespace(self._executor)
            queries, migrations = await in_own_thread(self._load, namespace)
            with suppress(NamespaceChanged):
                installation = await migrate(
                    self._executor, queries, migrations, namespace=namespace, prefix=self._prefix
                )
                return installation, queries

    async def _connect(self, *, create: bool = True) -> None:
        await self._executor.open(create=create)

    def _load(self, namespace: Namespace) -> tuple[Queries, tuple[Migration, ...]]:
        return _read(self._package, self._prefix, namespace.qualifier)

    @asynccontextmanager
    async def _visited(self) -> AsyncGenerator[tuple[Queries, tuple[Migration, ...]]]:
        """The database, connected and not opened, whatever it says of itself."""
        if self._loaded is not None:
            raise StateConflict("the storage is open: close it first")
        try:
            await self._connect(create=False)
            yield await in_own_thread(self._load, await self._executor.namespace(self._executor))
        finally:
            await self._executor.close()

    async def close(self) -> None:
        """See `Storage.close`."""
        self._loaded = None
        await self._executor.close()

    async def now(self) -> datetime:
        """See `Storage.now`."""
        return from_microseconds(await database_clock(self._executor, self._queries))

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
        """See `Storage.create_file`."""

        async def create(transaction: Transaction) -> FileState:
            earlier = await self._earlier(transaction, FILES, request)
            if earlier is not None:
                state = await States(transaction, self._queries).file(earlier)
                if state is None:
                    raise RequestUnderWay(f"{earlier} is being removed")
                return state
            changes = Changes(transaction, self._queries)
            return await changes.create_file(
                file, copies, shards=shards, holds=holds, lease_seconds=lease_seconds
            )

        return await self._write(create)

    async def get_file(self, file_id: str) -> FileState | None:
        """See `Storage.get_file`."""
        return await States(self._executor, self._queries).file(file_id)

    async def file_parts(self, file_id: str) -> AsyncIterator[FilePart]:
        """See `Storage.file_parts`."""
        # one statement a part: a statement that stays open would show later readers an old moment
        after = {"after_place": 0, "after": -1}
        statement = self._queries.sql("next_part")
        while row := await self._executor.fetch_one(statement, {"file_id": file_id, **after}):
            part = PARTS.decode(row)
            after = {"after_place": part.place, "after": part.seq}
            yield part

    async def list_files(self, query: FileQuery) -> list[File]:
        """See `Storage.list_files`."""
        return await Lists(self._executor, self._queries).files(query)

    async def change_file(self, file_id: str, decide: FileDecision) -> FileState:
        """See `Storage.change_file`."""

        async def write(transaction: Transaction) -> FileState:
            state = await States(transaction, self._queries).locked_file(file_id)
            change = decide(state)
            if change is None:
                return state
            return await Changes(transaction, self._queries).write_file(state, change)

        return await self._write(write)

    async def create_batch(
        self, file_id: str, admit: Admission, *, request: CreateRequest | None = None
    ) -> BatchState:
        """See `Storage.create_batch`."""

        async def create(transaction: Transaction) -> BatchState:
            earlier = await self._earlier(transaction, BATCHES, request)
            if earlier is not None:
                state = await States(transaction, self._queries).batch(earlier)
                assert state is not None
                return state
            file = await States(transaction, self._queries).locked_file(file_id)
            return await Changes(transaction, self._queries).create_batch(admit(file))

        return await self._write(create)

    async def get_batch(self, batch_id: str) -> Batch | None:
        """See `Storage.get_batch`."""
        row = await self._executor.fetch_one(self._queries.sql("get_batch"), {"id": batch_id})
        return BATCHES.decode(row) if row else None

    async def get_batch_state(self, batch_id: str) -> BatchState | None:
        """See `Storage.get_batch_state`."""
        return await States(self._executor, self._queries).batch(batch_id)

    async def list_batches(self, query: BatchQuery) -> list[Batch]:
        """See `Storage.list_batches`."""
        return await Lists(self._executor, self._queries).batches(query)

    async def change_batch(self, batch_id: str, decide: BatchDecision) -> BatchState:
        """See `Storage.change_batch`."""

        async def write(transaction: Transaction) -> BatchState:
            state = await States(transaction, self._queries).locked_batch(batch_id)
            change = decide(state)
            if change is None:
                return state
            return await Changes(transaction, self._queries).write_batch(state, change)

        return await self._write(write)

    async def change_batches(self, batch_ids: Collection[str], decide: BatchDecision) -> None:
        """See `Storage.change_batches`."""

        async def write(transaction: Transaction) -> None:
            states = await States(transaction, self._queries).locked_batches(batch_ids)
            decided = [(state, decide(state)) for state in states]
            changes = [(state, change) for state, change in decided if change is not None]
            await Changes(transaction, self._queries).write_batches(changes)

        await self._write(write)

    async def open_requests(self) -> dict[str, int]:
        """See `Storage.open_requests`."""
        rows = await self._executor.fetch_all(self._queries.sql("open_requests"), {})
        return {row[0]: row[1] for row in rows}

    async def known_provider_batches(
        self, deployment_id: str, provider_batch_ids: Collection[str]
    ) -> frozenset[str]:
        """See `Storage.known_provider_batches`."""
        parameters = {"deployment_id": deployment_id, "keys": encode_keys(sorted(set(provider_batch_ids)))}
        rows = await self._executor.fetch_all(self._queries.sql("known_provider_batches"), parameters)
        return frozenset(row[0] for row in rows)

    async def unanswered_jobs(
        self, deployment_id: str, requests: int, *, with_waiting: bool = False
    ) -> frozenset[str]:
        """See `Storage.unanswered_jobs`."""
        of_deployment = {"deployment_id": deployment_id, "requests": requests}
        asked: list[tuple[str, dict[str, Any]]] = [("waiting_jobs", {"requests": requests})]
        asked = asked if with_waiting else []
        asked += [(name, of_deployment) for name in ("unanswered_jobs", "unanswered_watched_jobs")]
        found: set[str] = set()
        for name, parameters in asked:  # in the order that jobs go through these states
            rows = await self._executor.fetch_all(self._queries.sql(name), parameters)
            found.update(row[0] for row in rows)
        return frozenset(found)

    async def list_events(self, *, after: str | None = None, limit: int = 100) -> list[Event]:
        """See `Storage.list_events`."""
        parameters = {"after": after or "", "limit": limit}
        rows = await self._executor.fetch_all(self._queries.sql("list_events"), parameters)
        return [EVENTS.decode(row) for row in rows]

    async def _write(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        return await in_transaction(self._executor, work)

    async def _earlier(
        self, transaction: Transaction, table: Table[Any], request: CreateRequest | None
    ) -> str | None:
        if request is None:
            return None
        return await Repeats(transaction, self._queries, request).earlier(table)


@lru_cache(maxsize=8)
def _read(package: str, prefix: str, qualifier: str) -> tuple[Queries, tuple[Migration, ...]]:
    """The queries and migrations of a package, which stay as they are while a process lives."""
    alone = queries = Queries.load(package, TABLES, prefix=prefix)
    if qualifier:
        queries = Queries.load(package, TABLES, prefix=qualifier + prefix)
    return queries, load_migrations(package, alone)
