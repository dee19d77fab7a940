"""Who comes with a virtual key."""

from __future__ import annotations

from collections.abc import Iterator

from starlette.requests import HTTPConnection

from litebatch_asgi.auth import Authenticator, identify
from litebatch_asgi.authenticators import bearer_token
from litebatch_asgi.catalog import Catalog, shared_rights
from litebatch_asgi.errors import Unauthenticated
from litebatch_asgi.models import Account, KeyGrant, Limits, Principal, VirtualKey
from litebatch_asgi.models.keys import PROXY_ADMIN
from litebatch_asgi.server.keys.bodies import ALL_MODELS, NO_MODELS
from litebatch_asgi.server.keys.service import KeyService


class KeyAuthenticator:
    """Lets in the master, as `master` says, and whoever has a virtual key."""

    def __init__(self, master: Authenticator, keys: KeyService, catalog: Catalog) -> None:
        self._master = master
        self.keys = keys
        self._catalog = catalog

    async def __call__(self, connection: HTTPConnection, /) -> Principal | None:
        """The caller, or nobody. Raises `Unauthenticated` for a key that counts no more."""
        principal = await identify(self._master, connection)
        secret = bearer_token(connection)
        if principal is not None or secret is None:
            return principal
        grant = await self.keys.grant(secret)
        if grant is None:
            return None
        self._check(grant)
        return principal_of(grant, self._catalog)

    def _check(self, grant: KeyGrant) -> None:
        expires_at = grant.key.expires_at
        if expires_at is not None and expires_at <= self.keys.now():
            raise Unauthenticated(f"This API key has expired, at {expires_at:%Y-%m-%dT%H:%M:%SZ}.")
        for word, _, account in _accounts(grant):
            if account.blocked:
                raise Unauthenticated(f"This API key does not count: the {word} is blocked.")


def principal_of(grant: KeyGrant, catalog: Catalog) -> Principal:
    """Whom a key stands for: it may do what it, its user and its team may do, all of them."""
    models: frozenset[str] | None = None
    limits: list[Limits] = []
    for word, account_id, account in _accounts(grant):
        models = shared_rights(models, _rights(account, catalog))
        limits.append(account.limits(f"{word}:{account_id}", name=_name(account)))
    return Principal(
        owner=grant.key.owner,
        key_id=grant.key.id,
        models=models,
        is_admin=grant.user is not None and grant.user.role == PROXY_ADMIN,
        limits=tuple(limits),
    )


def _accounts(grant: KeyGrant) -> Iterator[tuple[str, str, Account]]:
    for word, account in (("key", grant.key), ("user", grant.user), ("team", grant.team)):
        if account is not None:
            yield word, account.id, account


def _name(account: Account) -> str | None:
    """What the owner of a key calls it: its id is known to nobody."""
    if not isinstance(account, VirtualKey):
        return None
    return f"the key {account.hint}" if account.alias is None else f"the key '{account.alias}'"


def _rights(account: Account, catalog: Catalog) -> frozenset[str] | None:
    names = frozenset(account.models)
    if not names or names & ALL_MODELS:
        return None
    return catalog.rights_to(names - {NO_MODELS})
