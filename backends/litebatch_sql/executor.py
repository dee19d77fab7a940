"""The seam between the shared SQL storage and a driver."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any, Protocol, TypeAlias, TypeVar

import msgspec

from litebatch_asgi.errors import StorageUnavailable
from litebatch_sql.rows import Row

Parameters: TypeAlias = Mapping[str, Any]
"""Values for the `:name`s of a statement; it need not use all of them."""
T = TypeVar("T")

_TRIES = 4
"""How often a transaction is begun that gives way to others."""


class Contention(StorageUnavailable):
    """The database gave a transaction up for the sake of another: it may be tried again."""


class Reader(Protocol):
    """Runs statements that read; each sees one moment of the database.

    All methods of a `Reader`, `Transaction` and `Executor` raise `StorageUnavailable` when the database
    does not answer, `Contention` among it, and `StateConflict` when a key is there already or the row that
    it refers to is not.
    """

    async def fetch_one(self, sql: str, parameters: Parameters) -> Row | None:
        """The first row."""
        ...

    async def fetch_all(self, sql: str, parameters: Parameters) -> Sequence[Row]:
        """All rows, in memory."""
        ...


class Transaction(Reader, Protocol):
    """Reads and writes in one transaction."""

    async def execute(self, sql: str, parameters: Parameters) -> int:
        """Run a statement that writes; returns how many rows it touched."""
        ...

    async def execute_many(self, sql: str, rows: Iterable[Parameters]) -> None:
        """Run a statement once for each of `rows`, which is iterated off the event loop: it may block."""
        ...

    async def run_script(self, sql: str) -> None:
        """Run the statements of a migration. Raises `ConfigError` if the database cannot take them."""
        ...


class Place(Protocol):
    """Where a database lives; as a text it is the fingerprint that the database keeps."""

    def is_the_one(self, fingerprint: str) -> bool:
        """Whether a fingerprint was taken here."""
        ...


class Namespace(msgspec.Struct, frozen=True, kw_only=True):
    """Where in a database the tables are, or go if there are none."""

    qualifier: str = ""
    """what stands before their names in statements"""
    set_up: str = ""
    """statements that begin a migration, in which the names stand alone"""
    refusal: str | None = None
    """why none may be created there, if there are none"""


class Executor(Reader, Protocol):
    """A database. Its own reads see everything that was committed before they began."""

    async def open(self, *, create: bool = True) -> None:
        """Connect; a second call does nothing.

        What connecting would make is not made unless `create`: `ConfigError` is raised.
        """
        ...

    async def place(self) -> Place:
        """Where the database lives now."""
        ...

    async def namespace(self, reader: Reader) -> Namespace:
        """Where the tables are, or go; as `reader` sees it, which may be a transaction."""
        ...

    async def close(self) -> None:
        """Close what `open` opened, be it only half of it; a second call does nothing."""
        ...

    def write(self) -> AbstractAsyncContextManager[Transaction]:
        """A transaction: committed at the end of the block, rolled back when it is left in any other way.

        Once the block has ended without an error it is committed, be the answer to that lost or not; after
        `StorageUnavailable` it is not, unless nobody can tell.
        """
        ...


async def in_transaction(executor: Executor, work: Callable[[Transaction], Awaitable[T]]) -> T:
    """Do work in a transaction, and anew if the database gave it up for another's sake."""
    for _ in range(_TRIES - 1):
        with suppress(Contention):
            async with executor.write() as transaction:
                return await work(transaction)
    async with executor.write() as transaction:
        return await work(transaction)
