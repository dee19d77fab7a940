"""What was asked of the simulator, and what it did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Literal, overload

import msgspec

from .faults import CallName
from .wakeup import Wakeup


class JournalEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One call of a client, noted when its outcome was settled and before it was answered."""

    seq: int
    """from 1, without gaps"""
    time: float
    """Unix seconds, by the machine's clock"""
    account: str
    call: CallName
    path: str
    """with its query, as it was asked for"""
    object_id: str | None
    """the file or batch that was named or made"""
    filename: str | None
    metadata: dict[str, str] | None
    bytes: int | None
    """of the file that was sent or is read"""
    sha256: str | None
    request: dict[str, Any]
    """query parameters, form fields or JSON body, as they came"""
    api_key: str | None
    headers: dict[str, str]
    """names in lower case; of several with one name the last"""
    status: int | Literal["dropped"]
    """what is answered; `dropped`: the connection is cut, before or in the middle of the answer"""
    done: bool
    """whether the work was done"""


class Journal(Sequence[JournalEntry]):
    """All entries, oldest first."""

    def __init__(self, wakeup: Wakeup) -> None:
        self._wakeup = wakeup
        self._entries: list[JournalEntry] = []

    def append(self, entry: JournalEntry) -> None:
        """Note `entry`, whose `seq` is `len(self) + 1`."""
        self._entries.append(entry)
        self._wakeup.notify()

    def clear(self) -> None:
        """Forget everything; `seq` begins anew."""
        self._entries.clear()

    def select(
        self,
        call: str | None = None,
        *,
        account: str | None = None,
        object_id: str | None = None,
        after: int = 0,
    ) -> list[JournalEntry]:
        """The entries of one call, account or object, later than the `seq` given as `after`."""
        return [
            entry
            for entry in self._entries[after:]
            if call in (None, entry.call)
            and account in (None, entry.account)
            and object_id in (None, entry.object_id)
        ]

    def counts(self, *, account: str | None = None, after: int = 0) -> Counter[CallName]:
        """How many calls of each kind `select` would give; a list is a call for each of its pages."""
        return Counter(entry.call for entry in self.select(account=account, after=after))

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[JournalEntry]:
        return iter(self._entries)

    @overload
    def __getitem__(self, index: int) -> JournalEntry: ...
    @overload
    def __getitem__(self, index: slice) -> list[JournalEntry]: ...
    def __getitem__(self, index: int | slice) -> JournalEntry | list[JournalEntry]:
        return self._entries[index]
