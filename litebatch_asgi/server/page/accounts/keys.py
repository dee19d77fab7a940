"""Virtual keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import htpy as h
from htpy import Node

from litebatch_asgi.models import VirtualKey
from litebatch_asgi.page import Visit
from litebatch_asgi.page.parts import told, when
from litebatch_asgi.server.keys.bodies import ChangedKeyFields, NewKeyFields
from litebatch_asgi.server.page.accounts.entries import COMMON, DURATION, INHERIT, Entry, asked
from litebatch_asgi.server.page.accounts.kinds import AccountKind, Made
from litebatch_asgi.server.page.accounts.paths import path_of

_ALIAS = Entry(name="key_alias", label="Alias", field="alias")


class KeyKind(AccountKind[VirtualKey]):
    """Keys: what callers show."""

    kind = VirtualKey
    word = "key"
    title = "Keys"
    path = "/keys"
    name = "Alias"
    about = "Callers show a key. What is made with it belongs to its team, its user, or the key itself."
    delete = "Nobody can use it any more. Files and batches stay with their owner."
    new: Sequence[Entry] = (
        _ALIAS,
        Entry(name="team_id", label="Team", hint="The id of a team, which owns what is made with the key."),
        Entry(name="user_id", label="User", hint="The id of a user. One that is not there yet is created."),
        DURATION,
        *COMMON,
        INHERIT,
    )
    changed: Sequence[Entry] = (
        _ALIAS,
        Entry(
            name="duration",
            label="Expires after",
            hint="From now on, such as 30d; -1 for never. Empty: as it is.",
            is_kept=True,
        ),
        *COMMON,
    )
    filters: Sequence[tuple[str, str]] = (("alias", "Alias"), ("team_id", "Team"), ("user_id", "User"))
    columns: Sequence[str] = ("Key", "Belongs to", "Expires")

    async def create(self, form: Mapping[str, str], *, by: str) -> Made[VirtualKey]:
        """See `AccountKind`."""
        fields, warnings = asked(form, self.new, NewKeyFields)
        warnings += self._keys.warnings(fields)
        key, secret = await self._keys.generate(fields, by=by)
        return Made(account=key, key=key, secret=secret, warnings=warnings)

    async def change(self, account: VirtualKey, form: Mapping[str, str], *, by: str) -> Made[VirtualKey]:
        """See `AccountKind`."""
        fields, warnings = asked(form, self.changed, ChangedKeyFields, key=account.token)
        warnings += self._keys.warnings(fields)
        key = await self._keys.update_key(account.token, fields, by=by)
        return Made(account=key, warnings=warnings)

    def cells(self, visit: Visit, account: VirtualKey) -> Sequence[Node]:
        """See `AccountKind`."""
        expires = when(account.expires_at) if account.expires_at is not None else "never"
        return (h.span(".mono")[account.hint], _holder(visit, account), expires)

    def facts(self, visit: Visit, account: VirtualKey) -> Sequence[tuple[str, Node]]:
        """See `AccountKind`."""
        names = ("Key", "Belongs to", "Expires")
        return (*zip(names, self.cells(visit, account), strict=True), ("Owner", account.owner))

    def called(self, account: VirtualKey) -> str:
        """See `AccountKind`."""
        return account.alias or account.hint


def _holder(visit: Visit, key: VirtualKey) -> Node:
    if key.team_id is not None:
        return _named(visit, "team", "/teams", key.team_id)
    if key.user_id is not None:
        return _named(visit, "user", "/users", key.user_id)
    return "itself"


def _named(visit: Visit, word: str, path: str, account_id: str) -> Node:
    return h.span[f"{word} ", h.a(".name", href=visit.url(*path_of(path, account_id)))[told(account_id)]]
