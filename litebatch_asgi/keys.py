"""The seam to where virtual keys are kept, with their users and teams.

A storage that keeps them offers a `KeyStore` as its attribute `keys`; it is open while the storage is. Each
sentence of the docstrings is held by a test of `litebatch_asgi.testing.conformance.keys.KeyStoreConformance`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Generic, Protocol, TypeVar, runtime_checkable

import msgspec

from litebatch_asgi.errors import ConfigError
from litebatch_asgi.models import Account, KeyGrant

A = TypeVar("A", bound=Account)


class AccountQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which keys, users or teams to list; what is None does not matter."""

    id: str | None = None
    alias: str | None = None
    user_id: str | None = None
    """of keys alone"""
    team_id: str | None = None
    """of keys alone"""
    offset: int = 0
    """how many to pass over"""
    limit: int


class Accounts(msgspec.Struct, Generic[A], frozen=True, kw_only=True):
    """A page of a list."""

    items: tuple[A, ...]
    total: int
    """how many there are on all pages"""


class KeyStore(Protocol):
    """Keeps virtual keys, users and teams, never the secrets of keys.

    `kind` is `VirtualKey`, `User` or `Team`. Every method may raise `StorageUnavailable`, and does when the
    storage is not open; then nothing was written. What was written is seen by everything that begins after.
    """

    async def find_key(self, token: str) -> KeyGrant | None:
        """The key whose secret has the SHA-256 `token`, with its user and team, by one read."""
        ...

    async def create(self, account: Account) -> None:
        """Insert a key, user or team.

        Raises `StateConflict` if its id is there already, or another key with the same token or alias, or if
        the user or team that a key names is not there.
        """
        ...

    async def get(self, kind: type[A], account_id: str) -> A | None:
        """The key, user or team with this id."""
        ...

    async def aliases(self, key_ids: Collection[str]) -> Mapping[str, str]:
        """The aliases of these keys by their ids, without those that have none or are not there."""
        ...

    async def page(self, kind: type[A], query: AccountQuery) -> Accounts[A]:
        """Those that match, newest first, in order of (created_at, id)."""
        ...

    async def change(self, kind: type[A], account_id: str, decide: Callable[[A], A]) -> A:
        """Lock one, let `decide` look at it, write what it returns; nothing if it raises.

        Returns what was written. Raises `StateConflict` if it is not there, and in the cases of `create`.
        `decide` is pure, and must keep `id` and `created_at`.
        """
        ...

    async def delete(self, kind: type[Account], account_ids: Sequence[str]) -> None:
        """Delete all of these, and with users and teams their keys; the webhook endpoints of all of them.

        Raises `StateConflict` if one is not there; then none is deleted.
        """
        ...


@runtime_checkable
class KeepsKeys(Protocol):
    """A storage that keeps virtual keys too."""

    @property
    def keys(self) -> KeyStore:
        """They are there while the storage is open."""
        ...


def token_of(secret: str) -> str:
    """What is kept of a key's secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def keys_of(storage: object) -> KeyStore:
    """The keys of a storage. Raises `ConfigError` if it keeps none."""
    if not isinstance(storage, KeepsKeys):
        raise ConfigError(f"{type(storage).__qualname__} keeps no virtual keys: name another database")
    return storage.keys
