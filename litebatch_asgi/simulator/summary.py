"""What lies at a provider, over all accounts: who was there twice, and who is there still."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Container, Iterable

import msgspec

from .account import Account
from .anthropic_intake import CUSTOM_ID_SUFFIX
from .settings import FileStatus, Status

UNDONE: frozenset[str] = frozenset({"cancelling", "cancelled", "failed"})
"""statuses of a batch that nobody means to keep"""


class Placed(msgspec.Struct, frozen=True, kw_only=True):
    """A file or batch, and where it is."""

    account: str
    id: str
    status: Status | FileStatus

    @property
    def kept(self) -> bool:
        """Whether it is no batch that was cancelled or failed."""
        return self.status not in UNDONE


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What there is at one moment, oldest first within each account."""

    files: dict[str, tuple[Placed, ...]]
    """batch inputs that are neither deleted nor expired, by filename"""
    batches: dict[str, tuple[Placed, ...]]
    """batches, deleted ones too, by the value of the tag in their metadata, at Anthropic by what their first
    custom id has after an underscore; those without it are left out"""

    def twins(self) -> dict[str, tuple[Placed, ...]]:
        """The tags that more than one kept batch has, in whichever accounts."""
        kept = {tag: tuple(each for each in found if each.kept) for tag, found in self.batches.items()}
        return {tag: found for tag, found in kept.items() if len(found) > 1}

    def doubled_files(self) -> dict[str, tuple[Placed, ...]]:
        """The filenames that one account has more than once, and only what is there in such accounts."""
        doubled: dict[str, tuple[Placed, ...]] = {}
        for name, found in self.files.items():
            times = Counter(each.account for each in found)
            several = tuple(each for each in found if times[each.account] > 1)
            if several:
                doubled[name] = several
        return doubled

    def orphans(self, known: Container[str]) -> list[Placed]:
        """Files and kept batches whose ids are not `known`."""
        everything = [*self.files.values(), *self.batches.values()]
        return [each for found in everything for each in found if each.kept and each.id not in known]


def summarize(accounts: Iterable[Account], tag: str) -> Summary:
    """All that is in `accounts`; `tag` is the metadata key that tells whose batch it is."""
    files: defaultdict[str, list[Placed]] = defaultdict(list)
    batches: defaultdict[str, list[Placed]] = defaultdict(list)
    for account in accounts:
        for file in account.files.values():
            if file.purpose == "batch":
                files[file.filename].append(Placed(account=account.name, id=file.id, status=file.status))
        for batch in (progress.batch for progress in account.batch_store.ever()):
            value = (batch.metadata or {}).get(tag) or (batch.metadata or {}).get(CUSTOM_ID_SUFFIX)
            if value is not None:
                batches[value].append(Placed(account=account.name, id=batch.id, status=batch.status))
    return Summary(
        files={name: tuple(found) for name, found in files.items()},
        batches={value: tuple(found) for value, found in batches.items()},
    )
