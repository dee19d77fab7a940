"""Every request that inference servers received, and what became of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Literal

import msgspec

from .request_records import CUT, IN_PROGRESS, LEFT, Names, Record, Records
from .wakeup import Wakeup

MOST_REQUESTS = 1_000_000
TEXT_CHARACTERS = 200
Outcome = int | Literal["in_progress", "cut", "left"]
_OUTCOMES: dict[int, Outcome] = {IN_PROGRESS: "in_progress", CUT: "cut", LEFT: "left"}


class RequestEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One request of a client to an inference server."""

    seq: int
    """from 1, without gaps, in the order in which requests were there whole"""
    account: str
    path: str
    """below that of the account"""
    api_key: str | None
    received: float
    """Unix seconds at which its head was there"""
    answered: float | None
    """Unix seconds at which it was answered or cut, or the client gone"""
    status: Outcome
    """what was answered; `cut`: the connection was cut, before the answer or in the middle of it; `left`: the
    client went away before that"""
    bytes: int
    """of the body"""
    sha256: str
    """of the body: requests that are the same to the byte are the same line"""
    text: str
    """the first 200 characters of the last thing that it says"""
    tokens: int
    """input and output, if it was answered well"""


class LineCounts(msgspec.Struct, frozen=True, kw_only=True):
    """How often one line was received, and what became of it."""

    sha256: str
    text: str
    received: int
    statuses: dict[str, int]
    """how often by `RequestEntry.status`"""

    @property
    def succeeded(self) -> int:
        """How often it was answered 200."""
        return self.statuses.get("200", 0)


class RequestTotals(msgspec.Struct, frozen=True, kw_only=True):
    """What there is of all entries."""

    requests: int
    lines: int
    """different bodies; requests without one are no lines"""
    statuses: dict[str, int]
    """requests by `RequestEntry.status`"""
    received: dict[int, int]
    """lines by how often they were received"""
    succeeded: dict[int, int]
    """lines by how often they were answered 200"""
    tokens: int
    most_in_progress: int
    """requests that were in progress at the same time"""


class RequestJournal:
    """All entries, oldest first; the newest million, unless `most` says otherwise."""

    def __init__(self, wakeup: Wakeup) -> None:
        self._wakeup = wakeup
        self._accounts, self._paths, self._keys = Names(), Names(), Names()
        self._records = Records(MOST_REQUESTS)

    @property
    def most(self) -> int:
        """How many entries are kept; up to 4096 more may be there."""
        return self._records.most

    @most.setter
    def most(self, most: int) -> None:
        self._records.most = most

    def begin(
        self, account: str, path: str, key: str | None, received: float, digest: bytes, size: int, text: str
    ) -> int:
        """Note a request that is there whole; returns what `end` is called with."""
        number = self._records.begin(
            received,
            digest,
            size,
            text[:TEXT_CHARACTERS].encode("utf-8", "replace"),
            self._accounts.number(account),
            self._paths.number(path),
            self._keys.number(key),
        )
        self._wakeup.notify()
        return number

    def end(self, number: int, answered: float, status: int, tokens: int = 0) -> None:
        """Note what became of it."""
        self._records.end(number, answered, tokens, status)
        self._wakeup.notify()

    def clear(self) -> None:
        """Forget everything; `seq` begins anew."""
        self._records = Records(self._records.most)

    def select(
        self,
        *,
        account: str | None = None,
        match: str | None = None,
        sha256: str | None = None,
        after: int = 0,
        limit: int | None = None,
    ) -> list[RequestEntry]:
        """The first `limit` entries later than the `seq` given as `after`.

        Of one account, with a text that `match` occurs in, or of one line.
        """
        found: list[RequestEntry] = []
        wanted = None if sha256 is None else bytes.fromhex(sha256)
        for number, record in self._of(account, after):
            if wanted in (None, record.digest) and (match is None or match in self._text(number, record)):
                found.append(self._entry(number, record))
                if len(found) == limit:
                    break
        return found

    def lines(
        self,
        *,
        account: str | None = None,
        match: str | None = None,
        received: int = 1,
        succeeded: int = 0,
        after: int = 0,
    ) -> list[LineCounts]:
        """The lines that were received, and answered 200, at least so often; by their first entries."""
        counted, wells = self._counted(account, after)
        chosen = {
            digest
            for digest, count in counted.items()
            if count >= received and wells.get(digest, 0) >= succeeded
        }
        texts: dict[bytes, str] = {}
        statuses: dict[bytes, Counter[str]] = {}
        for number, record in self._of(account, after):
            if record.digest in chosen:
                if record.digest not in texts:
                    texts[record.digest] = self._text(number, record)
                    statuses[record.digest] = Counter()
                statuses[record.digest][str(_outcome(record))] += 1
        return [
            LineCounts(
                sha256=digest.hex(), text=text, received=counted[digest], statuses=dict(statuses[digest])
            )
            for digest, text in texts.items()
            if match is None or match in text
        ]

    def totals(self, *, account: str | None = None, after: int = 0) -> RequestTotals:
        """What there is of all entries later than the `seq` given as `after`."""
        statuses: Counter[int] = Counter()
        changes: list[tuple[float, int]] = []
        tokens = 0
        for _, record in self._of(account, after):
            statuses[record.status] += 1
            tokens += record.tokens
            changes.append((record.received, 1))
            if record.answered:
                changes.append((record.answered, -1))
        counted, wells = self._counted(account, after)
        return RequestTotals(
            requests=statuses.total(),
            lines=len(counted),
            statuses={str(_OUTCOMES.get(status, status)): count for status, count in statuses.items()},
            received=dict(Counter(counted.values())),
            succeeded=dict(Counter(wells.get(digest, 0) for digest in counted)),
            tokens=tokens,
            most_in_progress=_most(changes),
        )

    def __len__(self) -> int:
        """The `seq` of the last entry."""
        return len(self._records)

    def _of(self, account: str | None, after: int) -> Iterator[tuple[int, Record]]:
        records = self._records.since(after)
        if account is None:
            return records
        wanted = self._accounts.number(account)
        return (each for each in records if each[1].account == wanted)

    def _counted(self, account: str | None, after: int) -> tuple[dict[bytes, int], dict[bytes, int]]:
        """How often each line was received, and how often it was answered 200."""
        counted: dict[bytes, int] = {}
        wells: dict[bytes, int] = {}
        for _, record in self._of(account, after):
            if record.size:
                counted[record.digest] = counted.get(record.digest, 0) + 1
                if record.status == 200:
                    wells[record.digest] = wells.get(record.digest, 0) + 1
        return counted, wells

    def _text(self, number: int, record: Record) -> str:
        return self._records.text(number, record)

    def _entry(self, number: int, record: Record) -> RequestEntry:
        return RequestEntry(
            seq=number + 1,
            account=self._accounts[record.account] or "",
            path=self._paths[record.path] or "",
            api_key=self._keys[record.key],
            received=record.received,
            answered=record.answered or None,
            status=_outcome(record),
            bytes=record.size,
            sha256=record.digest.hex(),
            text=self._text(number, record),
            tokens=record.tokens,
        )


def _outcome(record: Record) -> Outcome:
    return _OUTCOMES.get(record.status, record.status)


def _most(changes: list[tuple[float, int]]) -> int:
    """The most of what begins (1) and ends (-1) that there is at one time."""
    most = now = 0
    for _, change in sorted(changes):
        now += change
        most = max(most, now)
    return most
