"""The calls of `/team`."""

from __future__ import annotations

from starlette.requests import Request
from starlette.types import ASGIApp

from litebatch_asgi.models import Principal, Team, VirtualKey
from litebatch_asgi.routes.respond import JSONAnswer
from litebatch_asgi.server.keys.answers import (
    ChangedTeam,
    DeletedTeamsAnswer,
    NewTeam,
    TeamInfo,
    TeamRow,
    key_row,
    team_fields,
    team_row,
    warned,
)
from litebatch_asgi.server.keys.bodies import ChangedTeamFields, DeletedTeams, NamedTeam, NewTeamFields
from litebatch_asgi.server.keys.calls import asked
from litebatch_asgi.server.keys.parsing import parse_query
from litebatch_asgi.server.keys.queries import TeamQuery
from litebatch_asgi.server.keys.service import KeyService

AT_ONCE = 500
"""teams that are read by one statement"""
MOST_KEYS = 500
"""in the answer about one team"""


class TeamCalls:
    """The handlers of teams, for admins."""

    def __init__(self, keys: KeyService) -> None:
        self._keys = keys

    async def new(self, request: Request, principal: Principal) -> ASGIApp:
        """`POST /team/new`."""
        fields, warnings = await asked(request, NewTeamFields, self._keys)
        team = await self._keys.create_team(fields, by=principal.owner)
        return JSONAnswer(NewTeam(warnings=warned(warnings), **team_fields(team)))

    async def update(self, request: Request, _: Principal) -> ASGIApp:
        """`POST /team/update`."""
        fields, warnings = await asked(request, ChangedTeamFields, self._keys)
        team = await self._keys.change(Team, fields.team_id, fields.team_changes())
        answer = ChangedTeam(team_id=team.id, data=team_row(team), warnings=warned(warnings))
        return JSONAnswer(answer)

    async def block(self, request: Request, _: Principal) -> ASGIApp:
        """`POST /team/block`: its keys count no more."""
        return await self._set_blocked(request, blocked=True)

    async def unblock(self, request: Request, _: Principal) -> ASGIApp:
        """`POST /team/unblock`."""
        return await self._set_blocked(request, blocked=False)

    async def _set_blocked(self, request: Request, *, blocked: bool) -> ASGIApp:
        named, _ = await asked(request, NamedTeam)
        return JSONAnswer(team_row(await self._keys.block(Team, named.team_id, blocked=blocked)))

    async def delete(self, request: Request, _: Principal) -> ASGIApp:
        """`POST /team/delete`: with their keys."""
        going, warnings = await asked(request, DeletedTeams)
        await self._keys.delete(Team, going.team_ids)
        return JSONAnswer(DeletedTeamsAnswer(deleted_teams=going.team_ids, warnings=warned(warnings)))

    async def info(self, request: Request, _: Principal) -> ASGIApp:
        """`GET /team/info`."""
        asked = parse_query(request.query_params, TeamQuery)
        team = await self._keys.get(Team, asked.team_id)
        keys, _total = await self._keys.page(VirtualKey, team_id=team.id, limit=MOST_KEYS)
        spent = await self._keys.spent([team, *keys])
        rows = [key_row(key, spent) for key in keys]
        return JSONAnswer(TeamInfo(team_id=team.id, team_info=team_row(team, spent), keys=rows))

    async def list(self, _: Request, principal: Principal) -> ASGIApp:
        """`GET /team/list`: all of them, for LiteLLM does not page them."""
        rows: list[TeamRow] = []
        offset, total = 0, 1
        while offset < total:
            teams, total = await self._keys.page(Team, limit=AT_ONCE, offset=offset)
            spent = await self._keys.spent(teams)
            rows += [team_row(team, spent) for team in teams]
            offset += AT_ONCE
        return JSONAnswer(rows)
