"""Ready-made authenticators: a master key, and the user that the host's own middleware has found."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Any, cast

from starlette.authentication import SimpleUser
from starlette.requests import HTTPConnection

from litebatch_asgi.errors import ConfigError
from litebatch_asgi.models import Principal

MASTER = Principal(owner="master", key_id="master", is_admin=True)
"""whom the master key stands for, unless told otherwise"""


class MasterKeyAuthenticator:
    """Lets in whoever has the one key, as `principal`: an admin unless another one is given.

    Raises `ConfigError` for a key that nobody could send.
    """

    def __init__(self, key: str, *, principal: Principal = MASTER) -> None:
        if not key or key != key.strip():
            raise ConfigError("a master key must not be empty, nor begin or end with a space")
        self._key = key.encode()
        self._principal = principal

    async def __call__(self, connection: HTTPConnection, /) -> Principal | None:
        """The master, or nobody."""
        token = bearer_token(connection)
        if token is None or not hmac.compare_digest(token.encode(), self._key):
            return None
        return self._principal


class ScopeUserAuthenticator:
    """Trusts `scope["user"]`, as Starlette's `AuthenticationMiddleware` sets it, in front of LiteBatch.

    `principal_of` makes the principal of an authenticated user; it may return None, for one that may not
    come in. Without it the owner is `user:` and the user's `identity` (or the `username` of a `SimpleUser`,
    which has no other). A display name is never used: two users may have the same.

    A user that is not authenticated is nobody. Raises `ConfigError`, which is logged and answered by 503,
    where the middleware is missing or the user has no identity.
    """

    def __init__(self, principal_of: Callable[[Any], Principal | None] | None = None) -> None:
        self._principal_of = principal_of or by_identity

    async def __call__(self, connection: HTTPConnection, /) -> Principal | None:
        """The principal of the user, or nobody."""
        if "user" not in connection.scope:
            raise ConfigError(
                "there is no scope['user']: put Starlette's AuthenticationMiddleware in front of LiteBatch"
            )
        user = connection.scope["user"]
        return self._principal_of(user) if user.is_authenticated else None


def by_identity(user: Any) -> Principal:
    """The principal of a user by its identity. Raises `ConfigError` for one that has none."""
    try:
        identity = user.username if isinstance(user, SimpleUser) else user.identity
    except (AttributeError, NotImplementedError) as error:
        raise ConfigError(
            f"{type(user).__qualname__} has no identity: give ScopeUserAuthenticator a `principal_of`"
        ) from error
    if not identity:
        raise ConfigError(f"a {type(user).__qualname__} has an empty identity")
    return Principal(owner=f"user:{cast('object', identity)}")


def bearer_token(connection: HTTPConnection) -> str | None:
    """The token of `Authorization: Bearer`; None without one."""
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None
