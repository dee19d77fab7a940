"""The calls of `/team`."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.types import ASGIApp

from litebatch_asgi.models import Principal, Team, VirtualKey
from litebatch_asgi.routes.respond import JSONAnswer
from litebatch_asgi.server.keys.answers import key_row, team_row
from litebatch_asgi.server.keys.bodies import DeletedTeams, NewTeamFields, TeamFields
from litebatch_asgi.server.keys.calls import answered, asked, named, required
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
        fields, warnings = await asked(request, NewTeamFields)
        return answered(team_row(await self._keys.create_team(fields, by=principal.owner)), warnings)

    async def update(self, request: Request, _: Principal) -> ASGIApp:
        """`POST /team/update`."""
        fields, warnings = await asked(request, TeamFields)
        team_id = required(fields.team_id, "team_id")
        team = await self._keys.change(Team, team_id, fields.team_changes())
        return answered({"team_id": team.id, "data": team_row(team)}, warnings)

    async def block(self, request: Request, _: Principal) -> ASGIApp:
        """`POST /team/block`: its keys count no more."""
        return await self._set_blocked(request, blocked=True)

    async def unblock(self, request: Request, _: Principal) -> ASGIApp:
        """`POST /team/unblock`."""
        return await self._set_blocked(request, blocked=False)

    async def _set_blocked(self, request: Request, *, blocked: bool) -> ASGIApp:
        fields, _ = await asked(request, TeamFields)
        team_id = required(fields.team_id, "team_id")
        return answered(team_row(await self._keys.block(Team, team_id, blocked=blocked)))

    async def delete(self, request: Request, _: Principal) -> ASGIApp:
        """`POST /team/delete`: with their keys."""
        going, warnings = await asked(request, DeletedTeams)
        await self._keys.delete(Team, going.team_ids)
        return answered({"deleted_teams": going.team_ids}, warnings)

    async def info(self, request: Request, _: Principal) -> ASGIApp:
        """`GET /team/info`."""
        team = await self._keys.get(Team, required(named(request, "team_id"), "team_id"))
        keys, _total = await self._keys.page(VirtualKey, team_id=team.id, limit=MOST_KEYS)
        return answered(
            {
                "team_id": team.id,
                "team_info": team_row(team),
                "keys": [key_row(key) for key in keys],
                "team_memberships": [],
            }
        )

    async def list(self, _: Request, principal: Principal) -> ASGIApp:
        """`GET /team/list`: all of them, for LiteLLM does not page them."""
        rows: list[dict[str, Any]] = []
        offset, total = 0, 1
        while offset < total:
            teams, total = await self._keys.page(Team, limit=AT_ONCE, offset=offset)
            rows += map(team_row, teams)
            offset += AT_ONCE
        return JSONAnswer(rows)
