"""Requests that come again: looked up in the transaction that would create an object once more."""

from __future__ import annotations

from typing import Any

from litebatch_asgi.errors import KeyReused, RequestUnderWay
from litebatch_asgi.models import CreateRequest
from litebatch_sql.executor import Transaction
from litebatch_sql.leases import clock
from litebatch_sql.queries import Queries
from litebatch_sql.rows import Table, to_microseconds

SWEPT_AT_ONCE = 20
"""How many forgotten keys go whenever one is taken."""


class Repeats:
    """Finds what an earlier request like this one has made."""

    def __init__(self, transaction: Transaction, queries: Queries, request: CreateRequest) -> None:
        self._transaction = transaction
        self._sql = queries.sql
        self._request = request
        self._parameters: dict[str, Any] = {
            "owner": request.owner,
            "key": request.key,
            "fingerprint": request.fingerprint,
            "object_id": request.object_id,
            "at": to_microseconds(request.at),
            "now": clock(),
        }

    async def earlier(self, table: Table[Any]) -> str | None:
        """The id of what was made then, as `Storage.create_file` says; None: it is to be made now."""
        if self._request.key is not None:
            return await self._keyed()
        return await self._unanswered(table) if self._request.is_retry else None

    async def _keyed(self) -> str | None:
        # waits for whoever is taking the key now
        if await self._transaction.execute(self._sql("insert_key"), self._parameters):
            await self._sweep()
            return None
        row = await self._transaction.fetch_one(self._sql("get_key"), self._parameters)
        if row is None:
            raise RequestUnderWay("the key is being forgotten")
        fingerprint, earlier_id, created_at = row
        is_known = created_at >= to_microseconds(self._request.keys_since)
        is_there = await self._is_there(earlier_id) if is_known else None
        if is_there is None:
            await self._transaction.execute(self._sql("update_key"), self._parameters)
            return None
        if fingerprint != self._request.fingerprint:
            raise KeyReused("This Idempotency-Key was sent with another request before. Take a new one.")
        if not is_there:
            raise RequestUnderWay(f"{earlier_id} is not accepted yet")
        return str(earlier_id)

    async def _is_there(self, object_id: str) -> bool | None:
        """Whether the object was accepted; None if it is gone or will never be."""
        # a statement of its own: it sees what was committed while the key was waited for
        row = await self._transaction.fetch_one(
            self._sql("made_object"), {**self._parameters, "id": object_id}
        )
        return bool(row[0]) if row else None

    async def _sweep(self) -> None:
        limits = {"since": to_microseconds(self._request.keys_since), "limit": SWEPT_AT_ONCE}
        await self._transaction.execute(self._sql("sweep_keys"), limits)

    async def _unanswered(self, table: Table[Any]) -> str | None:
        look = {**self._parameters, "since": to_microseconds(self._request.unanswered_since)}
        row = await self._transaction.fetch_one(self._sql(f"unanswered_{table.name}"), look)
        if row is None:
            return None
        earlier_id, is_under_way = row
        if is_under_way:
            raise RequestUnderWay(f"{earlier_id} is being answered")
        until = to_microseconds(self._request.answering_until)
        await self._transaction.execute(self._sql(f"answer_{table.name}"), {"id": earlier_id, "until": until})
        return str(earlier_id)
