"""Receipts: what tells whether a transaction was committed whose COMMIT had no answer.

Each transaction writes the number it has in a row of its writer before anything else. Who writes to that row
afterwards waits for the transaction's end, however late the server notices that its client is gone, and then
sees the number or does not. A transaction's id would not do: after a crash the server may give it out again.
"""

from __future__ import annotations

import secrets
from typing import NamedTuple

from litebatch_sql import Reader

KEEP_SECONDS = 86_400
"""How long the rows of writers stay that may have died: far longer than anybody asks for them."""
_NOW = "CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)"
_BEGIN = """
BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
SET LOCAL lock_timeout = '{lock_seconds}s';
SET LOCAL idle_in_transaction_session_timeout = '{idle_seconds}s';
"""
_WRITE = f"""
INSERT INTO {{prefix}}receipts AS receipts (id, number, written_at) VALUES ('{{writer}}', {{number}}, {_NOW})
ON CONFLICT (id) DO UPDATE SET number = excluded.number, written_at = excluded.written_at;
"""  # noqa: S608 - our own names
_READ = f"""
INSERT INTO {{prefix}}receipts AS receipts (id, number, written_at) VALUES (:writer, 0, {_NOW})
ON CONFLICT (id) DO UPDATE SET written_at = excluded.written_at
RETURNING number
"""  # noqa: S608 - our own names
_HAVE = "SELECT 1 WHERE to_regclass('{prefix}receipts') IS NOT NULL"
_CLEAR = f"DELETE FROM {{prefix}}receipts WHERE written_at < {_NOW} - {KEEP_SECONDS}000000"  # noqa: S608


class Receipt(NamedTuple):
    """One transaction of one writer; a writer has one at a time."""

    writer: str
    number: int
    """counted from 1"""


class Receipts:
    """Gives out receipts, each writer's again once its transaction has surely ended.

    A transaction waits `lock_seconds` at most for a row that another one is writing, and is ended by the
    server when its client was silent for `idle_seconds`: what a dead one has locked comes free again.
    """

    def __init__(self, prefix: str, *, lock_seconds: int, idle_seconds: int) -> None:
        self._prefix = prefix
        self._begin = _BEGIN.format(lock_seconds=lock_seconds, idle_seconds=idle_seconds)
        self._free: list[Receipt] = []
        self.are_kept = False
        """not before the migrations have run"""

    def take(self) -> Receipt:
        """The receipt of a transaction that is to begin."""
        if not self._free:
            return Receipt(secrets.token_hex(8), 1)
        before = self._free.pop()
        return Receipt(before.writer, before.number + 1)

    def give_back(self, receipt: Receipt) -> None:
        """Its transaction has ended: its writer is free for the next."""
        self._free.append(receipt)

    async def beginning(self, reader: Reader, receipt: Receipt) -> str:
        """The statements that begin a transaction, and write its receipt where receipts are kept."""
        if not self.are_kept and await reader.fetch_one(_HAVE.format(prefix=self._prefix), {}):
            self.are_kept = True
            await reader.fetch_all(_CLEAR.format(prefix=self._prefix), {})
        if not self.are_kept:
            return self._begin
        return self._begin + _WRITE.format(prefix=self._prefix, **receipt._asdict())

    async def has(self, reader: Reader, receipt: Receipt) -> bool:
        """Whether its transaction was committed; waits until it has ended."""
        row = await reader.fetch_one(_READ.format(prefix=self._prefix), {"writer": receipt.writer})
        return row is not None and row[0] == receipt.number
