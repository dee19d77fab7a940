"""The seam to what pages of operators and owners look for: batches and files by what is known of them.

Each sentence of the docstrings is held by a test of `litebatch_asgi.testing.conformance.StorageConformance`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Generic, Protocol, TypeVar

import msgspec

from litebatch_asgi.models import Batch, BatchStatus, File

LOOKED_AT = 1_000
"""Rows that cost some milliseconds, and some ten where they lie far from each other."""

T = TypeVar("T", Batch, File)


class Cursor(msgspec.Struct, frozen=True, kw_only=True):
    """A place in what was found: that of a row which was looked at."""

    created_at: datetime
    id: str
    by: str = ""
    """what led to it; a matter of the storage, which goes on in the same order"""


class BatchSearch(msgspec.Struct, frozen=True, kw_only=True):
    """Which batches to find; what several filters say holds together."""

    owner: str | None = None
    """None: everybody's"""
    statuses: frozenset[BatchStatus] = frozenset()
    """in one of these statuses; empty: in any"""
    model: str | None = None
    """of this virtual model"""
    deployment_id: str | None = None
    """that have or had a job at this deployment"""
    text: str | None = None
    """see `SearchStore.batches`"""
    before: Cursor | None = None
    """older ones than that"""
    after: Cursor | None = None
    """the oldest of those that are newer than that, instead"""
    limit: int
    look_at: int = LOOKED_AT
    """rows that are looked at for a page, where no index has all that is asked for"""


class FileSearch(msgspec.Struct, frozen=True, kw_only=True):
    """Which files to find: accepted, undeleted, unexpired ones."""

    owner: str | None = None
    """None: everybody's"""
    now: datetime
    """files that have expired by then are left out"""
    purpose: str | None = None
    text: str | None = None
    """see `SearchStore.files`"""
    before: Cursor | None = None
    """older ones than that"""
    after: Cursor | None = None
    """the oldest of those that are newer than that, instead"""
    limit: int
    look_at: int = LOOKED_AT
    """rows that are looked at for a page, where no index has all that is asked for"""


class SearchPage(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """What was found, newest first.

    A page may have fewer items than its limit, or none, though more follow.
    """

    items: list[T]
    next: Cursor | None = None
    """`before` of the page of older ones; None: there are none"""
    previous: Cursor | None = None
    """`after` of the page of newer ones; None: there are none, or they have come since the first page"""


class SearchStore(Protocol):
    """Finds batches and files without walking past all of them.

    Every method may raise `StorageUnavailable`, and does when the storage is not open.
    """

    async def batches(self, search: BatchSearch) -> SearchPage[Batch]:
        """At most `limit` batches, in the order of their creation, the newest first.

        Whoever follows `next` from the first page, or `previous` from the last, finds each batch once. Where
        no index has all that is asked for, as it is with texts, `look_at` rows are looked at, of the index
        that leads the furthest with them: where these do not fill a page, `next` goes on behind them.

        `text` finds batches in whose id, input file's id or name, or keys or values of metadata it occurs,
        in any case. The whole id of a batch finds that batch alone, and the whole id of an input file the
        batches on it, without looking at others. With an `owner` no cursor tells of a batch of somebody else.
        """
        ...

    async def files(self, search: FileSearch) -> SearchPage[File]:
        """At most `limit` files, in the order of their creation, the newest first; as `batches`.

        `text` finds files in whose id or name it occurs, in any case. The whole id of a file finds that file
        alone.
        """
        ...


def occurs(text: str, *, among: Iterable[str | None], metadata: Mapping[str, str] | None = None) -> bool:
    """Whether a text occurs in one of these, or in a key or value of the metadata, in any case."""
    wanted = text.casefold()
    if any(value is not None and wanted in value.casefold() for value in among):
        return True
    pairs = (metadata or {}).items()
    return any(wanted in word.casefold() for pair in pairs for word in pair)
