"""Virtual keys, users and teams in memory."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeVar, cast

from litebatch_asgi.errors import StateConflict
from litebatch_asgi.keys import AccountQuery, Accounts
from litebatch_asgi.models import Account, KeyGrant, Team, User, VirtualKey, WebhookEndpoint
from litebatch_asgi.models.keys import owner_of

A = TypeVar("A", bound=Account)


class MemoryKeyStore:
    """A `KeyStore` that lives as long as the object does; `check_open` raises while it is closed.

    From `endpoints` goes what belongs to whom is deleted.
    """

    def __init__(
        self, check_open: Callable[[], None], endpoints: dict[str, WebhookEndpoint] | None = None
    ) -> None:
        self._check_open = check_open
        self._endpoints = {} if endpoints is None else endpoints
        self._keys: dict[str, VirtualKey] = {}
        self._users: dict[str, User] = {}
        self._teams: dict[str, Team] = {}

    async def find_key(self, token: str) -> KeyGrant | None:
        """See `KeyStore.find_key`."""
        self._check_open()
        for key in self._keys.values():
            if key.token == token:
                user, team = self._users.get(key.user_id or ""), self._teams.get(key.team_id or "")
                return KeyGrant(key=key, user=user, team=team)
        return None

    async def create(self, account: Account) -> None:
        """See `KeyStore.create`."""
        rows = self._rows(type(account))
        if account.id in rows:
            raise StateConflict(f"{account.id} is there already")
        self._check(account)
        rows[account.id] = account

    async def get(self, kind: type[A], account_id: str) -> A | None:
        """See `KeyStore.get`."""
        return self._rows(kind).get(account_id)

    async def aliases(self, key_ids: Collection[str]) -> Mapping[str, str]:
        """See `KeyStore.aliases`."""
        self._check_open()
        keys = (self._keys[id_] for id_ in key_ids if id_ in self._keys)
        return {key.id: key.alias for key in keys if key.alias is not None}

    async def page(self, kind: type[A], query: AccountQuery) -> Accounts[A]:
        """See `KeyStore.page`."""
        found = [account for account in self._rows(kind).values() if _matches(account, query)]
        found.sort(key=lambda account: (account.created_at, account.id), reverse=True)
        page = found[query.offset : query.offset + query.limit]
        return Accounts(items=tuple(page), total=len(found))

    async def change(self, kind: type[A], account_id: str, decide: Callable[[A], A]) -> A:
        """See `KeyStore.change`."""
        rows = self._rows(kind)
        if account_id not in rows:
            raise StateConflict(f"{account_id} is not there")
        changed = decide(rows[account_id])
        self._check(changed)
        rows[account_id] = changed
        return changed

    async def delete(self, kind: type[Account], account_ids: Sequence[str]) -> None:
        """See `KeyStore.delete`."""
        rows = self._rows(kind)
        if missing := [account_id for account_id in account_ids if account_id not in rows]:
            raise StateConflict(f"{missing[0]} is not there")
        owners = {owner_of(kind, account_id) for account_id in account_ids}
        for endpoint in [each for each in self._endpoints.values() if each.owner in owners]:
            del self._endpoints[endpoint.id]
        for account_id in account_ids:
            del rows[account_id]
        for key in list(self._keys.values()):
            if (kind is User and key.user_id in account_ids) or (kind is Team and key.team_id in account_ids):
                del self._keys[key.id]

    def _rows(self, kind: type[A]) -> dict[str, A]:
        self._check_open()
        tables: dict[type[Account], object] = {VirtualKey: self._keys, User: self._users, Team: self._teams}
        return cast("dict[str, A]", tables[kind])

    def _check(self, account: Account) -> None:
        """What the constraints of a database would refuse."""
        if not isinstance(account, VirtualKey):
            return
        others = [key for key in self._keys.values() if key.id != account.id]
        if any(key.token == account.token or None is not key.alias == account.alias for key in others):
            raise StateConflict(f"the token or alias of {account.id} is another key's")
        if account.user_id not in (None, *self._users) or account.team_id not in (None, *self._teams):
            raise StateConflict(f"the user or team of {account.id} is not there")


def _matches(account: Account, query: AccountQuery) -> bool:
    wanted = {"id": query.id, "alias": query.alias, "user_id": query.user_id, "team_id": query.team_id}
    return all(value is None or getattr(account, name, None) == value for name, value in wanted.items())
