"""The calls of `/key`."""

from __future__ import annotations

from starlette.requests import Request
from starlette.types import ASGIApp

from litebatch_asgi.errors import NotFound, PermissionDenied
from litebatch_asgi.models import Principal, VirtualKey
from litebatch_asgi.routes.respond import JSONAnswer
from litebatch_asgi.server.keys.answers import key_row, new_key
from litebatch_asgi.server.keys.bodies import DeletedKeys, KeyFields
from litebatch_asgi.server.keys.calls import answered, asked, named, page_asked, required
from litebatch_asgi.server.keys.service import KeyService
from litebatch_asgi.server.secret import token_in


class KeyCalls:
    """The handlers of keys; all but `info` are for admins."""

    def __init__(self, keys: KeyService) -> None:
        self._keys = keys

    async def generate(self, request: Request, principal: Principal) -> ASGIApp:
        """`POST /key/generate`."""
        fields, warnings = await asked(request, KeyFields)
        key, secret = await self._keys.generate(fields, by=principal.owner)
        return answered(new_key(key, secret), warnings)

    async def update(self, request: Request, principal: Principal) -> ASGIApp:
        """`POST /key/update`."""
        fields, warnings = await asked(request, KeyFields)
        key = await self._keys.update_key(required(fields.key, "key"), fields, by=principal.owner)
        return answered({"key": key.token} | key_row(key), warnings)

    async def regenerate(self, request: Request, principal: Principal) -> ASGIApp:
        """`POST /key/regenerate` and `POST /key/{key}/regenerate`."""
        fields, warnings = await asked(request, KeyFields)
        given = required(request.path_params.get("key", fields.key), "key")
        key, secret = await self._keys.regenerate(given, fields, by=principal.owner)
        return answered(new_key(key, secret), warnings)

    async def block(self, request: Request, _: Principal) -> ASGIApp:
        """`POST /key/block`."""
        return await self._set_blocked(request, blocked=True)

    async def unblock(self, request: Request, _: Principal) -> ASGIApp:
        """`POST /key/unblock`."""
        return await self._set_blocked(request, blocked=False)

    async def _set_blocked(self, request: Request, *, blocked: bool) -> ASGIApp:
        fields, _ = await asked(request, KeyFields)
        key = await self._keys.key(required(fields.key, "key"))
        return answered(key_row(await self._keys.block(VirtualKey, key.id, blocked=blocked)))

    async def delete(self, request: Request, _: Principal) -> ASGIApp:
        """`POST /key/delete`."""
        going, warnings = await asked(request, DeletedKeys)
        if not going.keys and not going.key_aliases:
            required(None, "keys")
        keys = [await self._keys.key(given) for given in going.keys]
        keys += [await self._by_alias(alias) for alias in going.key_aliases]
        await self._keys.delete(VirtualKey, [key.id for key in keys])
        return answered({"deleted_keys": [*going.keys, *going.key_aliases]}, warnings)

    async def _by_alias(self, alias: str) -> VirtualKey:
        found, _ = await self._keys.page(VirtualKey, alias=alias, limit=1)
        if not found:
            raise NotFound("There is no such key.", param="key_aliases")
        return found[0]

    async def info(self, request: Request, principal: Principal) -> ASGIApp:
        """`GET /key/info`: of any key for admins, of the caller's own for everybody."""
        given = named(request, "key")
        if given is None or not principal.is_admin:
            key = await self._own(principal, given)
        else:
            key = await self._keys.key(given)
        return answered({"key": key.token, "info": key_row(key)})

    async def _own(self, principal: Principal, given: str | None) -> VirtualKey:
        try:
            key = await self._keys.get(VirtualKey, principal.key_id or "")
        except NotFound:
            required(given, "key")  # the master key is none of these
            raise
        if given is not None and token_in(given) != key.token:
            raise PermissionDenied("Only the master key, or the key of an admin, may look at other keys.")
        return key

    async def list(self, request: Request, _: Principal) -> ASGIApp:
        """`GET /key/list`: tokens, or all about the keys if `return_full_object` is true."""
        page, size = page_asked(request, "size", 10)
        wanted = {
            "alias": named(request, "key_alias"),
            "user_id": named(request, "user_id"),
            "team_id": named(request, "team_id"),
            "id": await self._id_of(named(request, "key_hash")),
        }
        keys, total = await self._keys.page(VirtualKey, **wanted, limit=size, offset=size * (page - 1))
        is_full = request.query_params.get("return_full_object", "").lower() in ("true", "1")
        return JSONAnswer(
            {
                "keys": [key_row(key) if is_full else key.token for key in keys],
                "total_count": total,
                "current_page": page,
                "total_pages": -(-total // size),
            }
        )

    async def _id_of(self, token: str | None) -> str | None:
        if token is None:
            return None
        try:
            return (await self._keys.key(token)).id
        except NotFound:
            return ""  # no key has this id
