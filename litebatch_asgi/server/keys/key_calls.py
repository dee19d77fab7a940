"""The calls of `/key`."""

from __future__ import annotations

from starlette.requests import Request
from starlette.types import ASGIApp

from litebatch_asgi.errors import NotFound, PermissionDenied
from litebatch_asgi.models import Principal, VirtualKey
from litebatch_asgi.routes.respond import JSONAnswer
from litebatch_asgi.server.keys.answers import (
    ChangedKey,
    DeletedKeysAnswer,
    KeyInfo,
    KeyPage,
    KeyRow,
    NewKey,
    key_fields,
    key_row,
    warned,
)
from litebatch_asgi.server.keys.bodies import (
    ChangedKeyFields,
    DeletedKeys,
    KeyFields,
    NamedKey,
    NewKeyFields,
)
from litebatch_asgi.server.keys.calls import asked
from litebatch_asgi.server.keys.parsing import parse_query
from litebatch_asgi.server.keys.queries import KeyListQuery, KeyQuery
from litebatch_asgi.server.keys.service import KeyService
from litebatch_asgi.server.secret import token_in
from litebatch_asgi.wire import checks


class KeyCalls:
    """The handlers of keys; all but `info` are for admins."""

    def __init__(self, keys: KeyService) -> None:
        self._keys = keys

    async def generate(self, request: Request, principal: Principal) -> ASGIApp:
        """`POST /key/generate`."""
        fields, warnings = await asked(request, NewKeyFields, self._keys)
        key, secret = await self._keys.generate(fields, by=principal.owner)
        return _new_key(key, secret, warnings)

    async def update(self, request: Request, principal: Principal) -> ASGIApp:
        """`POST /key/update`."""
        fields, warnings = await asked(request, ChangedKeyFields, self._keys)
        key = await self._keys.update_key(fields.key, fields, by=principal.owner)
        return JSONAnswer(ChangedKey(key=key.token, warnings=warned(warnings), **key_fields(key)))

    async def regenerate(self, request: Request, principal: Principal) -> ASGIApp:
        """`POST /key/regenerate`."""
        fields, warnings = await asked(request, ChangedKeyFields, self._keys)
        return await self._regenerate(fields.key, fields, warnings, principal)

    async def regenerate_named(self, request: Request, principal: Principal) -> ASGIApp:
        """`POST /key/{key}/regenerate`."""
        fields, warnings = await asked(request, KeyFields, self._keys)
        return await self._regenerate(request.path_params["key"], fields, warnings, principal)

    async def _regenerate(
        self, given: str, fields: KeyFields, warnings: list[str], principal: Principal
    ) -> ASGIApp:
        key, secret = await self._keys.regenerate(given, fields, by=principal.owner)
        return _new_key(key, secret, warnings)

    async def block(self, request: Request, _: Principal) -> ASGIApp:
        """`POST /key/block`."""
        return await self._set_blocked(request, blocked=True)

    async def unblock(self, request: Request, _: Principal) -> ASGIApp:
        """`POST /key/unblock`."""
        return await self._set_blocked(request, blocked=False)

    async def _set_blocked(self, request: Request, *, blocked: bool) -> ASGIApp:
        named, _ = await asked(request, NamedKey)
        key = await self._keys.key(named.key)
        return JSONAnswer(key_row(await self._keys.block(VirtualKey, key.id, blocked=blocked)))

    async def delete(self, request: Request, _: Principal) -> ASGIApp:
        """`POST /key/delete`."""
        going, warnings = await asked(request, DeletedKeys)
        keys = [await self._keys.key(given) for given in going.keys]
        keys += [await self._by_alias(alias) for alias in going.key_aliases]
        await self._keys.delete(VirtualKey, [key.id for key in keys])
        names = [*going.keys, *going.key_aliases]
        return JSONAnswer(DeletedKeysAnswer(deleted_keys=names, warnings=warned(warnings)))

    async def _by_alias(self, alias: str) -> VirtualKey:
        found, _ = await self._keys.page(VirtualKey, alias=alias, limit=1)
        if not found:
            raise NotFound("There is no such key.", param="key_aliases")
        return found[0]

    async def info(self, request: Request, principal: Principal) -> ASGIApp:
        """`GET /key/info`: of any key for admins, of the caller's own for everybody."""
        given = parse_query(request.query_params, KeyQuery).key
        if given is None or not principal.is_admin:
            key = await self._own(principal, given)
        else:
            key = await self._keys.key(given)
        return JSONAnswer(KeyInfo(key=key.token, info=key_row(key, await self._keys.spent([key]))))

    async def _own(self, principal: Principal, given: str | None) -> VirtualKey:
        try:
            key = await self._keys.get(VirtualKey, principal.key_id or "")
        except NotFound:
            if given is None:  # the master key is none of these
                raise checks.missing("key") from None
            raise
        if given is not None and token_in(given) != key.token:
            raise PermissionDenied("Only the master key, or the key of an admin, may look at other keys.")
        return key

    async def list(self, request: Request, _: Principal) -> ASGIApp:
        """`GET /key/list`: tokens, or all about the keys if `return_full_object` is true."""
        asked = parse_query(request.query_params, KeyListQuery)
        keys, total = await self._keys.page(
            VirtualKey,
            alias=asked.key_alias,
            user_id=asked.user_id,
            team_id=asked.team_id,
            id=await self._id_of(asked.key_hash),
            limit=asked.size,
            offset=asked.size * (asked.page - 1),
        )
        shown: list[str | KeyRow] = [key.token for key in keys]
        if asked.return_full_object:
            spent = await self._keys.spent(keys)
            shown = [key_row(key, spent) for key in keys]
        pages = -(-total // asked.size)
        return JSONAnswer(KeyPage(keys=shown, total_count=total, current_page=asked.page, total_pages=pages))

    async def _id_of(self, token: str | None) -> str | None:
        if token is None:
            return None
        try:
            return (await self._keys.key(token)).id
        except NotFound:
            return ""  # no key has this id


def _new_key(key: VirtualKey, secret: str, warnings: list[str]) -> ASGIApp:
    return JSONAnswer(NewKey(key=secret, warnings=warned(warnings), **key_fields(key)))
