"""Where the database of an SQL storage lives."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TypeAlias, TypeVar

from msgspec.structs import replace

from litebatch_asgi.errors import ConfigError, StateConflict
from litebatch_asgi.installations import COPIED, Copied, Residence
from litebatch_asgi.storage import Installation
from litebatch_sql.executor import Executor, Reader, Transaction, in_transaction
from litebatch_sql.leases import database_clock
from litebatch_sql.migrations import (
    Migration,
    apply_missing,
    check_version,
    is_at_home,
    read_installation,
)
from litebatch_sql.queries import Queries
from litebatch_sql.rows import encode_json

T = TypeVar("T")

Visit: TypeAlias = AbstractAsyncContextManager[tuple[Queries, Sequence[Migration]]]


class SQLInstallationStore:
    """An `InstallationStore` over an `Executor`; `visit` connects it for a while, and loads what is known."""

    def __init__(self, executor: Executor, visit: Callable[[], Visit]) -> None:
        self._executor = executor
        self._visit = visit

    async def look(self, *, alive_seconds: float) -> Residence:
        """See `InstallationStore.look`."""
        async with self._visit() as (queries, migrations):
            installation = await _installation(self._executor, queries, migrations)
            place = await self._executor.place()
            return Residence(
                installation=installation,
                present=str(place),
                is_at_home=is_at_home(installation, place),
                alive=await _alive(self._executor, queries, alive_seconds),
            )

    async def moved(self, *, idle_seconds: float) -> Installation:
        """See `InstallationStore.moved`."""

        async def write(transaction: Transaction, queries: Queries, settled: Installation) -> Installation:
            await transaction.execute(
                queries.sql("put_fingerprint"), {"fingerprint": settled.fingerprint, "id": settled.id}
            )
            return settled

        async with self._visit() as (queries, migrations):
            return await self._settle(queries, migrations, idle_seconds, write)

    async def copied(self, *, idle_seconds: float) -> Copied:
        """See `InstallationStore.copied`."""
        async with self._visit() as (queries, migrations):

            async def write(transaction: Transaction, queries: Queries, settled: Installation) -> Copied:
                own = replace(settled, id=secrets.token_hex(8))
                namespace = await self._executor.namespace(transaction)
                written = await apply_missing(transaction, queries, migrations, own, namespace)
                return await _let_go(transaction, queries, written)

            return await self._settle(queries, migrations, idle_seconds, write)

    async def _settle(
        self,
        queries: Queries,
        migrations: Sequence[Migration],
        idle_seconds: float,
        write: Callable[[Transaction, Queries, Installation], Awaitable[T]],
    ) -> T:
        """Write in one transaction, which nobody who opens the database at this moment comes between."""
        place = await self._executor.place()

        async def work(transaction: Transaction) -> T:
            if "lock_schema" in queries:
                await transaction.execute(queries.sql("lock_schema"), {})
            installation = await _installation(transaction, queries, migrations)
            alive = await _alive(transaction, queries, idle_seconds)
            if alive:
                raise StateConflict(
                    f"processes seen on the database within the last {idle_seconds:g} seconds: {alive}"
                )
            return await write(transaction, queries, replace(installation, fingerprint=str(place)))

        return await in_transaction(self._executor, work)


async def _installation(reader: Reader, queries: Queries, migrations: Sequence[Migration]) -> Installation:
    installation = await read_installation(reader, queries)
    if installation is None:
        raise ConfigError("the database has no LiteBatch in it: check its name and the prefix of its tables")
    check_version(installation, migrations)
    return installation


async def _alive(reader: Reader, queries: Queries, seconds: float) -> int:
    since = await database_clock(reader, queries) - round(seconds * 1_000_000)
    row = await reader.fetch_one(queries.sql("alive"), {"since": since})
    return 0 if row is None else row[0]


async def _let_go(transaction: Transaction, queries: Queries, written: Installation) -> Copied:
    """Leave to the original what it has."""
    parameters = {
        "now": await database_clock(transaction, queries),
        "errors": encode_json((COPIED,)),
        "reason": COPIED.code,
    }

    async def run(name: str) -> int:
        return await transaction.execute(queries.sql(name), parameters)

    copied = Copied(
        installation=written,
        jobs=await run("close_all_jobs"),
        batches=await run("fail_open_batches"),
        copies=await run("forget_all_copies"),
        input_files=await run("hide_all_inputs"),
        keys=await run("remove_all_keys"),
    )
    for name in (
        "remove_models_of_hidden",
        "release_hidden",
        "release_all",
        "answer_all_files",
        "answer_all_batches",
        "remove_all_events",
        "remove_all_told",
        "remove_all_heartbeats",
        "release_all_upload_contents",
        "remove_all_upload_parts",
        "remove_all_uploads",
        "forget_contents_elsewhere",
        "close_all_line_ranges",
        "sweep_all_lines",
        "remove_all_alone",
    ):
        await run(name)
    return copied
