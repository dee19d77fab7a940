"""The calls of `/user`."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.requests import Request
from starlette.types import ASGIApp

from litebatch_asgi.errors import NotFound
from litebatch_asgi.models import Principal, Team, User, VirtualKey
from litebatch_asgi.routes.respond import JSONAnswer
from litebatch_asgi.server.keys.answers import (
    ChangedUser,
    NewUser,
    UserInfo,
    UserPage,
    key_fields,
    key_row,
    team_row,
    user_fields,
    user_row,
    warned,
)
from litebatch_asgi.server.keys.bodies import (
    ChangedUserFields,
    DeletedUsers,
    NamedUser,
    NewUserFields,
)
from litebatch_asgi.server.keys.calls import asked
from litebatch_asgi.server.keys.parsing import parse_query
from litebatch_asgi.server.keys.queries import UserListQuery, UserQuery
from litebatch_asgi.server.keys.service import KeyService

MOST_KEYS = 500
"""in the answer about one user"""


class UserCalls:
    """The handlers of users, for admins."""

    def __init__(self, keys: KeyService) -> None:
        self._keys = keys

    async def new(self, request: Request, principal: Principal) -> ASGIApp:
        """`POST /user/new`: a user, and a key for it unless `auto_create_key` is false."""
        fields, warnings = await asked(request, NewUserFields, self._keys)
        user, made = await self._keys.create_user_with_key(fields, by=principal.owner)
        if made is None:
            return JSONAnswer(NewUser(warnings=warned(warnings), **user_fields(user)))
        key, secret = made
        shown = key_fields(key) | user_fields(user)
        return JSONAnswer(NewUser(key=secret, warnings=warned(warnings), **shown))

    async def update(self, request: Request, _: Principal) -> ASGIApp:
        """`POST /user/update`."""
        fields, warnings = await asked(request, ChangedUserFields, self._keys)
        user = await self._keys.change(User, fields.user_id, fields.user_changes())
        answer = ChangedUser(user_id=user.id, data=user_row(user), warnings=warned(warnings))
        return JSONAnswer(answer)

    async def block(self, request: Request, _: Principal) -> ASGIApp:
        """`POST /user/block`: its keys count no more."""
        return await self._set_blocked(request, blocked=True)

    async def unblock(self, request: Request, _: Principal) -> ASGIApp:
        """`POST /user/unblock`."""
        return await self._set_blocked(request, blocked=False)

    async def _set_blocked(self, request: Request, *, blocked: bool) -> ASGIApp:
        named, _ = await asked(request, NamedUser)
        return JSONAnswer(user_row(await self._keys.block(User, named.user_id, blocked=blocked)))

    async def delete(self, request: Request, _: Principal) -> ASGIApp:
        """`POST /user/delete`: with their keys. The answer is how many they were."""
        going, _warnings = await asked(request, DeletedUsers)
        await self._keys.delete(User, going.user_ids)
        return JSONAnswer(len(set(going.user_ids)))

    async def info(self, request: Request, _: Principal) -> ASGIApp:
        """`GET /user/info`."""
        asked = parse_query(request.query_params, UserQuery)
        user = await self._keys.get(User, asked.user_id)
        keys, _total = await self._keys.page(VirtualKey, user_id=user.id, limit=MOST_KEYS)
        teams = await self._teams(keys)
        spent = await self._keys.spent([user, *keys, *teams])
        return JSONAnswer(
            UserInfo(
                user_id=user.id,
                user_info=user_row(user, spent),
                keys=[key_row(key, spent) for key in keys],
                teams=[team_row(team, spent) for team in teams],
            )
        )

    async def _teams(self, keys: Iterable[VirtualKey]) -> list[Team]:
        ids = dict.fromkeys(key.team_id for key in keys if key.team_id is not None)
        teams: list[Team] = []
        for team_id in ids:
            try:
                teams.append(await self._keys.get(Team, team_id))
            except NotFound:
                continue  # deleted since
        return teams

    async def list(self, request: Request, _: Principal) -> ASGIApp:
        """`GET /user/list`."""
        asked = parse_query(request.query_params, UserListQuery)
        offset = asked.page_size * (asked.page - 1)
        users, total = await self._keys.page(User, id=asked.user_ids, limit=asked.page_size, offset=offset)
        spent = await self._keys.spent(users)
        return JSONAnswer(
            UserPage(
                users=[user_row(user, spent) for user in users],
                total=total,
                page=asked.page,
                page_size=asked.page_size,
                total_pages=-(-total // asked.page_size),
            )
        )
