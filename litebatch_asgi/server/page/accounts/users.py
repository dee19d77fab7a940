"""Users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import htpy as h
from htpy import Node

from litebatch_asgi.models import User
from litebatch_asgi.models.keys import PROXY_ADMIN
from litebatch_asgi.page import Visit
from litebatch_asgi.page.parts import told
from litebatch_asgi.server.keys.bodies import ChangedUserFields, NewUserFields
from litebatch_asgi.server.page.accounts.entries import (
    COMMON,
    DURATION,
    INHERIT,
    Entry,
    Kind,
    asked,
)
from litebatch_asgi.server.page.accounts.forms import ROLE
from litebatch_asgi.server.page.accounts.kinds import AccountKind, Made

_WHO = (
    Entry(name="user_alias", label="Name", field="alias"),
    Entry(name="user_email", label="E-mail", field="email"),
    Entry(name=ROLE, label="Role", field="role"),
)


class UserKind(AccountKind[User]):
    """Users: people or programs with keys of their own."""

    kind = User
    word = "user"
    title = "Users"
    path = "/users"
    about = "The keys of a user share its files, batches, limits and budget. Keys of an admin see everything."
    delete = "Its keys go with it, and its webhook endpoints. Files and batches stay."
    new: Sequence[Entry] = (
        Entry(name="user_id", label="Id", hint="Empty: one is chosen. It cannot be changed later."),
        *_WHO,
        *COMMON,
        Entry(name="auto_create_key", label="Create a key for it", kind=Kind.TICK),
        DURATION,
        INHERIT,
    )
    changed: Sequence[Entry] = (*_WHO, *COMMON)
    filters: Sequence[tuple[str, str]] = (("id", "Id"), ("alias", "Name"))
    columns: Sequence[str] = ("Id", "E-mail", "Role", "Keys")

    async def create(self, form: Mapping[str, str], *, by: str) -> Made[User]:
        """See `AccountKind`."""
        fields, warnings = asked(form, self.new, NewUserFields)
        warnings += self._keys.warnings(fields)
        user, made = await self._keys.create_user_with_key(fields, by=by)
        key, secret = made or (None, None)
        return Made(account=user, key=key, secret=secret, warnings=warnings)

    async def change(self, account: User, form: Mapping[str, str], *, by: str) -> Made[User]:
        """See `AccountKind`."""
        fields, warnings = asked(form, self.changed, ChangedUserFields, user_id=account.id)
        warnings += self._keys.warnings(fields)
        user = await self._keys.change(User, account.id, fields.user_changes())
        return Made(account=user, warnings=warnings)

    def cells(self, visit: Visit, account: User) -> Sequence[Node]:
        """See `AccountKind`."""
        keys = h.a(href=visit.url("/keys", {"user_id": account.id}))["its keys"]
        role = "admin" if account.role == PROXY_ADMIN else account.role
        return (h.span(".name")[told(account.id)], account.email, role, keys)

    def facts(self, visit: Visit, account: User) -> Sequence[tuple[str, Node]]:
        """See `AccountKind`."""
        return tuple(zip(self.columns, self.cells(visit, account), strict=True))
