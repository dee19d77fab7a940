"""Limits made for batches: how much may be uploaded and open at once, not how often somebody may call."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from litebatch_asgi.errors import AboveLimit, FileTooLarge, LimitExceeded, RequestError


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

    @property
    def whose(self) -> str:
        """Whose limits these are, in messages."""
        return self.name or self.scope

    @property
    def is_of_open_batches(self) -> bool:
        """Whether anything is limited that batches hold while they are open."""
        held = (self.max_open_batches, self.max_enqueued_requests, self.max_enqueued_tokens)
        return any(limit is not None for limit in held)


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """What the open batches of a scope hold."""

    batches: int = 0
    requests: int = 0
    tokens: int = 0


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


class Reservation(msgspec.Struct, frozen=True, kw_only=True):
    """What a new batch is to hold of one scope's limits."""

    scope: str
    requests: int
    tokens: int
    limits: tuple[Limits, ...]
    """those of this scope; all of them hold"""

    @property
    def is_limited(self) -> bool:
        """Whether it may fail to fit; otherwise it is written down for limits that are set later."""
        return any(limits.is_of_open_batches for limits in self.limits)

    def check(self, held: Held) -> None:
        """Raises `LimitExceeded` if it does not fit beside what others of the scope hold.

        Raises `AboveLimit` if it would not fit alone either.
        """
        for exceeded in self.exceeded(held):
            raise exceeded.error()

    def exceeded(self, held: Held) -> Iterator[Exceeded]:
        """The limits that it does not fit into beside what others of the scope hold."""
        for limits in self.limits:
            for name, limit, used, asked in self._accounts(limits, held):
                if limit is not None and used + asked > limit:
                    yield Exceeded(name=name, whose=limits.whose, limit=limit, used=used, asked=asked)

    def _accounts(self, limits: Limits, held: Held) -> Iterator[tuple[str, int | None, int, int]]:
        yield "max_open_batches", limits.max_open_batches, held.batches, 1
        yield "max_enqueued_requests", limits.max_enqueued_requests, held.requests, self.requests
        yield "max_enqueued_tokens", limits.max_enqueued_tokens, held.tokens, self.tokens


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
    by_scope = _by_scope(every)
    return tuple(FileHold(scope=scope, limits=by_scope[scope]) for scope in sorted(by_scope))


def _by_scope(every: Iterable[Limits]) -> dict[str, tuple[Limits, ...]]:
    by_scope: dict[str, tuple[Limits, ...]] = {}
    for limits in every:
        by_scope[limits.scope] = (*by_scope.get(limits.scope, ()), limits)
    return by_scope


def reservations(every: Iterable[Limits], *, requests: int, tokens: int) -> tuple[Reservation, ...]:
    """What a batch of so many requests and tokens reserves under these limits, in order of the scopes."""
    by_scope = _by_scope(every)
    return tuple(
        Reservation(scope=scope, requests=requests, tokens=tokens, limits=by_scope[scope])
        for scope in sorted(by_scope)
    )


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
