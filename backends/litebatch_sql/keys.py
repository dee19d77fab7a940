"""Virtual keys, users and teams in the database of an SQL storage."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from litebatch_asgi.errors import StateConflict
from litebatch_asgi.keys import AccountQuery, Accounts
from litebatch_asgi.models import Account, KeyGrant, Team, User, VirtualKey
from litebatch_asgi.models.keys import owner_of
from litebatch_sql.executor import Executor, Transaction, in_transaction
from litebatch_sql.queries import Queries
from litebatch_sql.rows import Row, Table, encode_json
from litebatch_sql.tables import KEYS, TEAMS, USERS

A = TypeVar("A", bound=Account)

_TABLES: Mapping[type[Account], Table[Any]] = {VirtualKey: KEYS, User: USERS, Team: TEAMS}
_FILTERS = ("id", "alias", "user_id", "team_id")


class SQLKeyStore:
    """A `KeyStore` over an `Executor`, with the queries of `keys.sql`; `queries` raises until it is open."""

    def __init__(self, executor: Executor, queries: Callable[[], Queries]) -> None:
        self._executor = executor
        self._queries = queries

    async def find_key(self, token: str) -> KeyGrant | None:
        """See `KeyStore.find_key`."""
        row = await self._executor.fetch_one(self._queries().sql("find_key"), {"token": token})
        if row is None:
            return None
        return KeyGrant(
            key=KEYS.decode(row),
            user=_joined(USERS, row, KEYS.width),
            team=_joined(TEAMS, row, KEYS.width + USERS.width),
        )

    async def create(self, account: Account) -> None:
        """See `KeyStore.create`."""
        table = _TABLES[type(account)]
        statement = self._queries().sql(f"insert_{table.name}")

        async def create(transaction: Transaction) -> None:
            await transaction.execute(statement, table.encode(account))

        await in_transaction(self._executor, create)

    async def get(self, kind: type[A], account_id: str) -> A | None:
        """See `KeyStore.get`."""
        table = _TABLES[kind]
        statement = self._queries().sql(f"get_{table.name}")
        row = await self._executor.fetch_one(statement, {"id": account_id})
        return table.decode(row) if row else None

    async def aliases(self, key_ids: Collection[str]) -> Mapping[str, str]:
        """See `KeyStore.aliases`."""
        given = {"ids": encode_json(list(key_ids))}
        rows = await self._executor.fetch_all(self._queries().sql("aliases"), given)
        return {row[0]: row[1] for row in rows}

    async def page(self, kind: type[A], query: AccountQuery) -> Accounts[A]:
        """See `KeyStore.page`."""
        table, queries = _TABLES[kind], self._queries()
        parameters = msgspec.structs.asdict(query)
        options = [name for name in _FILTERS if parameters[name] is not None]
        rows = await self._executor.fetch_all(queries.sql(f"list_{table.name}", *options), parameters)
        count = await self._executor.fetch_one(queries.sql(f"count_{table.name}", *options), parameters)
        return Accounts(items=tuple(map(table.decode, rows)), total=count[0] if count else 0)

    async def change(self, kind: type[A], account_id: str, decide: Callable[[A], A]) -> A:
        """See `KeyStore.change`."""
        table, queries = _TABLES[kind], self._queries()

        async def change(transaction: Transaction) -> A:
            lock = queries.sql(f"get_{table.name}", "lock")
            row = await transaction.fetch_one(lock, {"id": account_id})
            if row is None:
                raise StateConflict(f"{account_id} is not there")
            changed: A = decide(table.decode(row))
            await transaction.execute(queries.sql(f"update_{table.name}"), table.encode(changed))
            return changed

        return await in_transaction(self._executor, change)

    async def delete(self, kind: type[Account], account_ids: Sequence[str]) -> None:
        """See `KeyStore.delete`."""
        statement = self._queries().sql(f"delete_{_TABLES[kind].name}")
        endpoints = self._queries().sql("delete_webhook_endpoints_of")

        async def delete(transaction: Transaction) -> None:
            for account_id in sorted(account_ids):  # in one order, lest two wait for each other
                if await transaction.execute(statement, {"id": account_id}) == 0:
                    raise StateConflict(f"{account_id} is not there")
                await transaction.execute(endpoints, {"owner": owner_of(kind, account_id)})

        await in_transaction(self._executor, delete)


def _joined(table: Table[A], row: Row, start: int) -> A | None:
    """What a LEFT JOIN found."""
    return None if row[start] is None else table.decode(row, start)
