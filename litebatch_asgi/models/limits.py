"""Limits made for batches: how much may be uploaded and open at once, not how often somebody may call."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Protocol

import msgspec

from litebatch_asgi.errors import AboveLimit, ConfigError, FileTooLarge, LimitExceeded, RequestError
from litebatch_asgi.models.periods import BUDGET_DURATIONS, is_budget_duration, period_start, reset_at


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What those who share a scope may hold at once. None: no limit."""

    scope: str
    """whose limits these are, such as `team:search` or `key:ab12`; equal scopes share one account"""
    name: str | None = None
    """what callers are told whose limits these are, such as `the key 'nightly'`; None: the scope"""
    max_batch_requests: int | None = None
    """requests in one file"""
    max_open_batches: int | None = None
    """batches that have not reached their end"""
    max_enqueued_requests: int | None = None
    """requests of open batches"""
    max_enqueued_tokens: int | None = None
    """tokens of open batches, as they were estimated at upload"""
    max_file_bytes: int | None = None
    """bytes of one uploaded file"""
    max_files: int | None = None
    """uploaded files that are not deleted; an expired one counts until it is swept away"""
    max_budget: Decimal | None = None
    """US dollars of open batches, as they were estimated, and of what was charged since the period began"""
    soft_budget: Decimal | None = None
    """US dollars, likewise, from which on there are warnings"""
    budget_duration: str | None = None
    """such as `30d`: how long the budgets last before they begin anew, see `periods`; None: for ever"""

    def __post_init__(self) -> None:
        for name in ("max_budget", "soft_budget"):
            _check_dollars(getattr(self, name), f"{name} of {self.scope!r}")
        duration = self.budget_duration
        if duration is not None and not is_budget_duration(duration):
            raise ConfigError(f"budget_duration of {self.scope!r} is {duration!r}: write {BUDGET_DURATIONS}")

    @property
    def whose(self) -> str:
        """Whose limits these are, in messages."""
        return self.name or self.scope

    @property
    def is_of_open_batches(self) -> bool:
        """Whether anything is limited that batches hold while they are open."""
        held = (self.max_open_batches, self.max_enqueued_requests, self.max_enqueued_tokens)
        return any(limit is not None for limit in (*held, self.max_budget, self.soft_budget))

    def period_start(self, now: datetime) -> date | None:
        """The first UTC day of the period that the budgets are in; None: they have always lasted."""
        return period_start(self.budget_duration, now.astimezone(UTC).date())

    def reset_at(self, now: datetime) -> datetime | None:
        """When the budgets begin anew; None: never."""
        return reset_at(self.budget_duration, now)


class Exceeded(msgspec.Struct, frozen=True, kw_only=True):
    """A limit that something does not fit into."""

    name: str
    """such as `max_open_batches`"""
    whose: str
    limit: int
    used: int
    """what is held already"""
    asked: int

    @property
    def can_never_pass(self) -> bool:
        """Whether it would not fit alone either."""
        return self.asked > self.limit

    def error(self, advice: str | None = None) -> RequestError:
        """What is said of it: `AboveLimit` or `LimitExceeded`. `advice` is how to make room."""
        if self.can_never_pass:
            return AboveLimit(self.name, self.whose, limit=self.limit, asked=self.asked)
        return LimitExceeded(
            self.name, self.whose, limit=self.limit, used=self.used, asked=self.asked, advice=advice
        )


_MAKE_ROOM = "Delete files that are not needed any more."


class FileHold(msgspec.Struct, frozen=True, kw_only=True):
    """A place that a new file is to take among one scope's files."""

    scope: str
    limits: tuple[Limits, ...]
    """those of this scope; all of them hold"""

    @property
    def is_limited(self) -> bool:
        """Whether there may be no place; otherwise it is written down for limits that are set later."""
        return any(limits.max_files is not None for limits in self.limits)

    def check(self, held: int) -> None:
        """Raises `LimitExceeded` if there is no place beside the `held` files of the scope.

        Raises `AboveLimit` if there would be none without them.
        """
        for limits in self.limits:
            most = limits.max_files
            if most is not None and held >= most:
                over = Exceeded(name="max_files", whose=limits.whose, limit=most, used=held, asked=1)
                raise over.error(_MAKE_ROOM)


def file_holds(every: Iterable[Limits]) -> tuple[FileHold, ...]:
    """The places that a new file takes under these limits, in order of the scopes."""
    return tuple(FileHold(scope=scope, limits=limits) for scope, limits in sorted(by_scope(every).items()))


def by_scope(every: Iterable[Limits]) -> dict[str, tuple[Limits, ...]]:
    """The limits of each scope."""
    found: dict[str, tuple[Limits, ...]] = {}
    for limits in every:
        found[limits.scope] = (*found.get(limits.scope, ()), limits)
    return found


def check_requests(every: Sequence[Limits], requests: int) -> None:
    """Raises `AboveLimit` for more requests than one file may have."""
    for exceeded in requests_exceeded(every, requests):
        raise exceeded.error()


def requests_exceeded(every: Sequence[Limits], requests: int) -> Iterator[Exceeded]:
    """The limits of one file that so many requests are above."""
    for limits in every:
        limit = limits.max_batch_requests
        if limit is not None and requests > limit:
            yield Exceeded(name="max_batch_requests", whose=limits.whose, limit=limit, used=0, asked=requests)


class SizeCap(Protocol):
    """How many bytes may come."""

    @property
    def bytes(self) -> int:
        """At most so many."""
        ...

    def exceeded(self) -> FileTooLarge:
        """What is said of more."""
        ...


class FileCap(msgspec.Struct, frozen=True, kw_only=True):
    """How many bytes a file may have, and by whose limit."""

    bytes: int
    whose: str = "this gateway"

    def exceeded(self) -> FileTooLarge:
        """What is said of a larger file."""
        return FileTooLarge(
            f"The file is too large: max_file_bytes of {self.whose} is {self.bytes}. Send a smaller one.",
            param="file",
        )


def file_cap(every: Sequence[Limits], most: int) -> FileCap:
    """How many bytes a file may have where nobody's may have more than `most`."""
    smallest = FileCap(bytes=most)
    for each in every:
        if each.max_file_bytes is not None and each.max_file_bytes < smallest.bytes:
            smallest = FileCap(bytes=each.max_file_bytes, whose=each.whose)
    return smallest


def _check_dollars(given: object, what: str) -> None:
    if given is None or (isinstance(given, Decimal) and given.is_finite() and given >= 0):
        return
    raise ConfigError(f"{what} is {given!r}: write a Decimal of at least 0, such as Decimal('12.50')")
