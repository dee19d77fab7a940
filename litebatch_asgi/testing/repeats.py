"""Requests that come again, and what open batches and files hold, in dicts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple, TypeVar

from msgspec.structs import replace

from litebatch_asgi.errors import KeyReused, RequestUnderWay
from litebatch_asgi.models import Batch, CreateRequest, File, FileHold, Held, Reservation
from litebatch_asgi.models.money import from_nanodollars, to_nanodollars, total
from litebatch_asgi.testing.drafts import Draft

Created = TypeVar("Created", File, Batch)


class _Taken(NamedTuple):
    fingerprint: str
    object_id: str
    at: datetime


class Repeats:
    """The keys that were taken. `is_accepted` tells of an object; None: it is gone or will never be."""

    def __init__(self, is_accepted: Callable[[str, datetime], bool | None]) -> None:
        self._is_accepted = is_accepted
        self._keys: dict[tuple[str, str], _Taken] = {}

    def earlier(self, draft: Draft, rows: dict[str, Created], request: CreateRequest | None) -> str | None:
        """The id of what a request like this one has made, as `Storage.create_file` says."""
        if request is None:
            return None
        if request.key is not None:
            return self._keyed(draft, request, request.key)
        return self._unanswered(draft, rows, request) if request.is_retry else None

    def forget(self, draft: Draft, before: datetime, limit: int) -> int:
        """Drop keys that were taken before that, at most so many; how many."""
        old = [key for key, taken in self._keys.items() if taken.at < before][:limit]
        for key in old:
            draft.remove_key(self._keys, key)
        return len(old)

    def _keyed(self, draft: Draft, request: CreateRequest, key: str) -> str | None:
        taken = self._keys.get((request.owner, key))
        is_known = taken is not None and taken.at >= request.keys_since
        is_there = self._is_accepted(taken.object_id, request.at) if taken is not None and is_known else None
        if taken is None or is_there is None:
            new = _Taken(request.fingerprint, request.object_id, request.at)
            draft.put(self._keys, (request.owner, key), new)
            return None
        if taken.fingerprint != request.fingerprint:
            raise KeyReused("This Idempotency-Key was sent with another request before. Take a new one.")
        if not is_there:
            raise RequestUnderWay(f"{taken.object_id} is not accepted yet")
        return taken.object_id

    def _unanswered(self, draft: Draft, rows: dict[str, Created], request: CreateRequest) -> str | None:
        found: list[Created] = []
        is_under_way = False
        for row in rows.values():
            if not _is_unanswered(row, request):
                continue
            is_there = self._is_accepted(row.id, request.at)
            if is_there and (row.answering_until is None or row.answering_until <= request.at):
                found.append(row)
            elif is_there is not None:
                is_under_way = True
        if not found and is_under_way:
            raise RequestUnderWay("an equal request is being answered")
        if not found:
            return None
        oldest = min(found, key=lambda row: (row.created_at, row.id))
        draft.put(rows, oldest.id, replace(oldest, answering_until=request.answering_until))
        return oldest.id


def _is_unanswered(row: File | Batch, request: CreateRequest) -> bool:
    return (
        row.request_fingerprint == request.fingerprint
        and row.answered_at is None
        and row.created_at >= request.unanswered_since
    )


class Reservations:
    """What open batches hold, by scope and batch.

    `spent` tells the US dollars charged to a scope since a day.
    """

    def __init__(self, spent: Callable[[str, date | None], Decimal]) -> None:
        self._held: dict[tuple[str, str], Reservation] = {}
        self._spent = spent

    def reserve(self, draft: Draft, batch: Batch, reservations: Sequence[Reservation]) -> None:
        """Reserve for a new batch. Raises what `Reservation.check` does."""
        for each in reservations:
            for since in each.periods:
                each.check(replace(self.held(each.scope), spent=self._spent(each.scope, since)), since)
            if not batch.status.is_final:
                draft.insert(self._held, (each.scope, batch.id), each)

    def held(self, scope: str) -> Held:
        """What the open batches of a scope hold."""
        held = [each for (of, _), each in self._held.items() if of == scope]
        return Held(
            batches=len(held),
            requests=sum(each.requests for each in held),
            tokens=sum(each.tokens for each in held),
            cost=total(each.cost for each in held),
            unpriced_batches=sum(each.cost is None for each in held),
        )

    def release(self, draft: Draft, batch: Batch, settled_requests: int = 0) -> None:
        """Give back what a batch holds if it has ended, else the share of requests that are settled."""
        if batch.status.is_final:
            draft.remove_keys(self._held, lambda key: key[1] == batch.id)
            return
        for key, each in self._held.items() if settled_requests else ():
            if key[1] == batch.id and each.requests > 0:
                draft.put(self._held, key, _without(each, settled_requests))


def _without(held: Reservation, requests: int) -> Reservation:
    """The reservation without the share of so many requests, rounded down."""
    left = max(held.requests - requests, 0)
    cost = from_nanodollars(to_nanodollars(held.cost) * left // held.requests) if held.cost else held.cost
    return replace(held, requests=left, tokens=held.tokens * left // held.requests, cost=cost)


class FileHolds:
    """The places that files take, by scope and file."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, str], FileHold] = {}

    def take(self, draft: Draft, file: File, holds: Sequence[FileHold]) -> None:
        """Take places for a new file. Raises `LimitExceeded` if there is none."""
        for each in holds:
            each.check(sum(scope == each.scope for scope, _ in self._held))
            draft.insert(self._held, (each.scope, file.id), each)

    def give_back(self, draft: Draft, file_id: str) -> None:
        """Give a file's places back."""
        draft.remove_keys(self._held, lambda key: key[1] == file_id)
