"""The account in the database of an SQL storage."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import partial

import msgspec

from litebatch_asgi.errors import StateConflict
from litebatch_asgi.models import Charge, ChargedModel, Held, Spend, SpendField, SpendQuery, Team
from litebatch_asgi.models.keys import owner_of
from litebatch_asgi.models.money import from_nanodollars
from litebatch_asgi.models.sums import charged_models
from litebatch_sql.charges import Charges
from litebatch_sql.executor import Executor, Transaction, in_transaction
from litebatch_sql.queries import Queries
from litebatch_sql.reservations import held_of
from litebatch_sql.rollups import rollup_for
from litebatch_sql.rows import Row, encode_json, encode_keys, from_days, to_days, to_microseconds
from litebatch_sql.tables import CHARGES
from litebatch_sql.threads import in_own_thread

_MANY = 500
"""rows: more are decoded in a thread"""
_FILTERS = ("start", "end", "owner", "key", "team", "model", "deployment")


class SQLLedger:
    """A `Ledger` over an `Executor`; `queries` raises until it is open."""

    def __init__(self, executor: Executor, queries: Callable[[], Queries]) -> None:
        self._executor = executor
        self._queries = queries

    async def spend(self, query: SpendQuery) -> list[Spend]:
        """See `Ledger.spend`."""
        if query.team and query.owner is None:  # there are indexes by owner
            query = msgspec.structs.replace(query, owner=owner_of(Team, query.team))
        parameters = msgspec.structs.asdict(query)
        for name in ("start", "end"):
            if parameters[name] is not None:
                parameters[name] = to_days(parameters[name])
        grouped = [field.value for field in SpendField if field in query.group_by]
        filters = [name for name in _FILTERS if parameters[name] is not None]
        parameters["fields"] = rollup = rollup_for(query)
        kept = "rolled_up" if rollup else "each"
        sums = self._queries().sql("spend", kept, *(f"by_{field}" for field in grouped), *filters)
        ordered = ", ".join(f'"{field}"' for field in dict.fromkeys(query.group_by))
        grouping = f"GROUP BY {ordered} ORDER BY {ordered}" if ordered else ""
        rows = await self._executor.fetch_all(f"{sums} {grouping} LIMIT :limit", parameters)
        decode = partial(_spends, rows, grouped)
        return await in_own_thread(decode) if len(rows) > _MANY else decode()

    async def spent(self, since: Mapping[str, date | None]) -> dict[str, Decimal]:
        """See `Ledger.spent`."""
        days = {scope: to_days(date.min if day is None else day) for scope, day in since.items()}
        rows = await self._executor.fetch_all(
            self._queries().sql("spent"), {"keys": encode_json(sorted(days.items()))}
        )
        spent = {row[0]: row[1] for row in rows}
        return {scope: from_nanodollars(spent.get(scope, 0)) for scope in since}

    async def held(self, scopes: Collection[str]) -> dict[str, Held]:
        """See `Ledger.held`."""
        rows = await self._executor.fetch_all(
            self._queries().sql("held"), {"keys": encode_keys(sorted(scopes))}
        )
        held = {scope: held_of(row) for scope, *row in rows}
        return {scope: held.get(scope, Held()) for scope in scopes}

    async def charged(
        self, since: datetime, *, model: str | None = None, after: Charge | None = None, limit: int
    ) -> list[ChargedModel]:
        """See `Ledger.charged`."""
        sql = self._queries().sql
        parameters: dict[str, str | int | None] = {
            "since": to_microseconds(since if after is None else max(since, after.created_at)),
            "model": model,
            "after": None if after is None else after.id,
            "last_created_at": None if after is None else to_microseconds(after.created_at),
            "limit": limit,
        }
        options = [name for name in ("model", "after") if parameters[name] is not None]
        rows = await self._executor.fetch_all(sql("first_charges", *options), parameters)
        firsts = [(CHARGES.decode(row), *row[CHARGES.width :]) for row in rows]
        of_batches = {"keys": encode_keys(sorted({charge.batch_id for charge, _, _ in firsts}))}
        found = await self._executor.fetch_all(sql("charges_of_batches"), of_batches) if firsts else ()
        return charged_models(firsts, map(CHARGES.decode, found))

    async def correct(self, corrections: Sequence[Charge]) -> int:
        """See `Ledger.correct`."""
        queries = self._queries()
        in_order = sorted(corrections, key=lambda each: each.corrects or "")

        async def write(transaction: Transaction) -> int:
            charges = Charges(transaction, queries)
            batches = {each.batch_id for each in in_order}
            await charges.lock_batches(batches)
            unknown = await charges.unknown({each.corrects or "" for each in in_order})
            if unknown:
                raise StateConflict(f"charges to correct are not there: {', '.join(sorted(unknown))}")
            written = await charges.insert_corrections(in_order)
            await charges.set_costs({each.batch_id for each in written})
            await charges.add_up(written)
            return len(written)

        return await in_transaction(self._executor, write) if in_order else 0


def _spends(rows: Sequence[Row], grouped: Sequence[str]) -> list[Spend]:
    """By hand, not by the table's codecs: there are thousands of them."""
    width = len(grouped)
    has_days = "day" in grouped  # then it is the first
    spends: list[Spend] = []
    for row in rows:
        if row[-1] is None:  # the sums of no rows
            continue
        place = dict(zip(grouped, row, strict=False))
        if has_days:
            place["day"] = from_days(row[0])
        spends.append(
            Spend(
                **place,
                cost=from_nanodollars(row[width]),
                input_tokens=row[width + 1],
                cached_tokens=row[width + 2],
                output_tokens=row[width + 3],
                requests=row[width + 4],
                unpriced_requests=row[width + 5],
                batches=row[width + 6],
            )
        )
    return spends
