"""Which lines each batch of any account could run, and from when until when."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from .account import Account
from .batch_progress import BatchProgress
from .lines_run import DIGEST_BYTES
from .running_order import lines_done, running_order
from .settings import FlavourName, Status
from .validation import Examined

NO_LINES = frozenset({"", bytes(DIGEST_BYTES).hex()})
"""what lines without a custom id, or that were refused, are called"""


class JobRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A batch, one that was deleted too. It could run its lines from `created_at` until `ended_at`.

    Times are Unix seconds by the machine's clock, as in the journal, whatever the account's clock says.
    """

    account: str
    flavour: FlavourName
    id: str
    model: str | None
    input_file_id: str
    metadata: dict[str, str] | None
    status: Status
    created_at: float
    """before its create was answered"""
    ended_at: float | None
    """before anybody could see its final status; None: it can run its lines still"""
    history: tuple[tuple[Status, float], ...]
    """each of its statuses, and when it came to it"""
    custom_ids: tuple[str, ...] | None
    """of its lines, as they were sent; empty where there is none; None: its input cannot be read"""
    digests: tuple[str, ...] | None
    """what each line says, in 32 hexadecimal digits: the same in whichever batch, model and flavour"""
    ran: tuple[int, ...]
    """the indexes of the lines that were run, once it has ended"""


class Overlap(msgspec.Struct, frozen=True, kw_only=True):
    """A line that two batches could run at the same time."""

    line: str
    """its custom id or its digest"""
    first: tuple[str, str]
    """account and id of the batch that was there before"""
    second: tuple[str, str]
    """those of the batch that was created while the first one could run the line still"""


async def records_of(account: Account) -> list[JobRecord]:
    """All batches of an account, in the order in which they were made."""
    return [await _record(account, progress) for progress in account.batch_store.ever()]


def overlaps(records: Iterable[JobRecord], by: Literal["digest", "custom_id"] = "digest") -> list[Overlap]:
    """All lines that were sent to a batch while another one could run them, told by what they say.

    Lines of one batch are never in each other's way.
    """
    lines: defaultdict[str, list[JobRecord]] = defaultdict(list)
    for record in sorted(records, key=lambda each: each.created_at):
        for line in set((record.digests if by == "digest" else record.custom_ids) or ()) - NO_LINES:
            lines[line].append(record)
    return [
        Overlap(line=line, first=(first.account, first.id), second=(second.account, second.id))
        for line, found in lines.items()
        for number, second in enumerate(found)
        for first in found[:number]
        if first.ended_at is None or first.ended_at > second.created_at
    ]


async def _record(account: Account, progress: BatchProgress) -> JobRecord:
    batch, history = progress.batch, progress.history
    examined = progress.examined or await _examined(account, progress)
    return JobRecord(
        account=account.name,
        flavour=account.settings.flavour,
        id=batch.id,
        model=batch.model,
        input_file_id=batch.input_file_id,
        metadata=batch.metadata,
        status=batch.status,
        created_at=history[0][1],
        ended_at=history[-1][1] if progress.has_ended else None,
        history=tuple(history),
        custom_ids=None if examined is None else tuple(examined.custom_ids),
        digests=None if examined is None else tuple(_split(examined.digests)),
        ran=() if examined is None or not progress.has_ended else _ran(progress, examined),
    )


async def _examined(account: Account, progress: BatchProgress) -> Examined | None:
    """The input of a batch that has not been looked at yet."""
    stored = account.file_store.find(progress.batch.input_file_id, progress.project)
    if stored is None:
        return None
    try:
        return await account.examine(stored.path, progress.batch.endpoint)
    except FileNotFoundError:
        return None


def _split(digests: bytes) -> Sequence[str]:
    return [digests[start : start + DIGEST_BYTES].hex() for start in range(0, len(digests), DIGEST_BYTES)]


def _ran(progress: BatchProgress, examined: Examined) -> tuple[int, ...]:
    lines = len(examined.offsets)
    return tuple(running_order(lines)[: lines_done(lines, progress.run_share)])
