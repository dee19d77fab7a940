"""Results that are not the same at each read: in another order, or not all of them yet."""

from __future__ import annotations

import random

from .account_context import AccountContext
from .course import Share
from .faults import Fault
from .objects import StoredFile
from .replies import FileBody


async def body_of(context: AccountContext, stored: StoredFile, fault: Fault) -> FileBody | bytes:
    """What a read of a file gets that runs into `fault`."""
    reordered = fault.reordered or (
        context.settings.reordered_reads and stored.shown.purpose == "batch_output"
    )
    if fault.rows_share == 1.0 and not reordered:
        return FileBody(path=stored.path, bytes=stored.bytes)
    content = await context.disk.run(stored.path.read_bytes)
    if reordered:
        context.reads_made[stored.shown.id] += 1
        seed = f"{context.settings.seed}/{stored.number}"
        content = _reordered(content, seed, context.reads_made[stored.shown.id])
    return _part(content, fault.rows_share)


def _reordered(content: bytes, seed: str, read: int) -> bytes:
    """The same lines, in an order that differs from that of the read before."""
    rows = content.split(b"\n")
    last = [rows.pop()] if content.endswith(b"\n") else []
    random.Random(seed).shuffle(rows)  # noqa: S311 repeatable on purpose
    turned = read % len(rows)
    return b"\n".join([*rows[turned:], *rows[:turned], *last])


def _part(content: bytes, share: Share) -> bytes:
    """So large a share of the lines, the first ones."""
    lines = content.splitlines(keepends=True)
    return content if share == 1.0 else b"".join(lines[: int(len(lines) * share)])
