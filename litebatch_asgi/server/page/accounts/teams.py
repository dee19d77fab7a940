"""Teams."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import htpy as h
from htpy import Node

from litebatch_asgi.models import Team
from litebatch_asgi.page import Visit
from litebatch_asgi.page.parts import told
from litebatch_asgi.server.keys.bodies import ChangedTeamFields, NewTeamFields
from litebatch_asgi.server.page.accounts.entries import COMMON, INHERIT, Entry, asked
from litebatch_asgi.server.page.accounts.kinds import AccountKind, Made

_ALIAS = Entry(name="team_alias", label="Name", field="alias")


class TeamKind(AccountKind[Team]):
    """Teams: who shares files, batches and limits."""

    kind = Team
    word = "team"
    title = "Teams"
    path = "/teams"
    about = "The keys of a team share its files, batches, limits and budget."
    delete = "Its keys go with it, and its webhook endpoints. Files and batches stay."
    new: Sequence[Entry] = (
        Entry(name="team_id", label="Id", hint="Empty: one is chosen. It cannot be changed later."),
        _ALIAS,
        *COMMON,
        INHERIT,
    )
    changed: Sequence[Entry] = (_ALIAS, *COMMON)
    filters: Sequence[tuple[str, str]] = (("id", "Id"), ("alias", "Name"))
    columns: Sequence[str] = ("Id", "Keys")

    async def create(self, form: Mapping[str, str], *, by: str) -> Made[Team]:
        """See `AccountKind`."""
        fields, warnings = asked(form, self.new, NewTeamFields)
        warnings += self._keys.warnings(fields)
        return Made(account=await self._keys.create_team(fields, by=by), warnings=warnings)

    async def change(self, account: Team, form: Mapping[str, str], *, by: str) -> Made[Team]:
        """See `AccountKind`."""
        fields, warnings = asked(form, self.changed, ChangedTeamFields, team_id=account.id)
        warnings += self._keys.warnings(fields)
        team = await self._keys.change(Team, account.id, fields.team_changes())
        return Made(account=team, warnings=warnings)

    def cells(self, visit: Visit, account: Team) -> Sequence[Node]:
        """See `AccountKind`."""
        keys = h.a(href=visit.url("/keys", {"team_id": account.id}))["its keys"]
        return (h.span(".name")[told(account.id)], keys)

    def facts(self, visit: Visit, account: Team) -> Sequence[tuple[str, Node]]:
        """See `AccountKind`."""
        return tuple(zip(self.columns, self.cells(visit, account), strict=True))
