"""Making, changing and finding virtual keys, users and teams."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from msgspec import UNSET
from msgspec.structs import replace

from litebatch_asgi.catalog import Catalog
from litebatch_asgi.errors import Conflict, InvalidRequest, NotFound, RequestError, StateConflict
from litebatch_asgi.keys import AccountQuery, KeyStore
from litebatch_asgi.models import Account, KeyGrant, SpendField, SpendQuery, Team, User, VirtualKey
from litebatch_asgi.models.ids import KEY_PREFIX, new_id
from litebatch_asgi.server.keys.bodies import (
    SPECIAL_MODELS,
    AccountFields,
    KeyFields,
    NewKeyFields,
    NewTeamFields,
    NewUserFields,
)
from litebatch_asgi.server.keys.cache import GrantCache
from litebatch_asgi.server.keys.durations import expiry
from litebatch_asgi.server.keys.spending import Spent, spent_by
from litebatch_asgi.server.secret import hint_of, is_secret, new_secret, token_in, token_of
from litebatch_asgi.storage import BatchQuery, FileQuery, Storage

A = TypeVar("A", bound=Account)

_WORDS: dict[type[Account], tuple[str, str]] = {
    VirtualKey: ("key", "key"),
    User: ("user", "user_id"),
    Team: ("team", "team_id"),
}
"""what a kind is called, and the parameter that names one"""


def _utc_now() -> datetime:
    return datetime.now(UTC)


class KeyService:
    """What operators do with keys, users and teams. Raises `RequestError`s.

    Whatever is changed here holds for the next request to this process, and in others within
    `cache.CACHED_SECONDS`. `storage` has the files and batches that belong to them, `catalog` the
    models that there are, as far as they are known. `now` is the time, aware
    and in UTC; `clock` counts seconds, for the cache.
    """

    def __init__(
        self,
        store: KeyStore,
        storage: Storage,
        *,
        catalog: Catalog | None = None,
        now: Callable[[], datetime] = _utc_now,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._catalog = catalog
        self._store = store
        self._storage = storage
        self._cache = GrantCache(store, clock=clock)
        self.now = now

    async def grant(self, secret: str) -> KeyGrant | None:
        """The key that has this secret, with its user and team, be they blocked or not."""
        return await self._cache.find(token_of(secret)) if is_secret(secret) else None

    def warnings(self, fields: AccountFields) -> list[str]:
        """What is said of the models that `fields` name and that stand for nothing here."""
        catalog = self._catalog
        if catalog is None or not isinstance(fields.models, list):
            return []
        names = [name for name in fields.models if name not in SPECIAL_MODELS and not catalog.knows(name)]
        return [_unknown_model(name, catalog.nearest(name)) for name in names[:100]]

    async def generate(self, fields: NewKeyFields, *, by: str) -> tuple[VirtualKey, str]:
        """A new key, and its secret, which nobody can find out again."""
        secret = fields.key or new_secret()
        now = self.now()
        key = VirtualKey(
            id=new_id(KEY_PREFIX),
            token=token_of(secret),
            hint=hint_of(secret),
            expires_at=expiry(fields.duration or None, now),
            **_made(by, now),
            **fields.key_changes(),
        )
        await self._ensure_user(key.user_id, by, inherit=fields.inherit)
        try:
            await self._store.create(key)
        except StateConflict as error:
            raise await self._conflict(key) from error
        self._cache.forget()
        return key, secret

    async def key(self, given: str) -> VirtualKey:
        """The key that is named by its secret or its token. Raises `NotFound`."""
        token = token_in(given)
        found = None if token is None else await self._store.find_key(token)
        if found is None:
            raise NotFound("There is no such key.", param="key")
        return found.key

    async def update_key(self, given: str, fields: KeyFields, *, by: str) -> VirtualKey:
        """Change what `fields` says of a key. Raises `NotFound`."""
        return await self._change_key(await self.key(given), fields, by)

    async def regenerate(self, given: str, fields: KeyFields, *, by: str) -> tuple[VirtualKey, str]:
        """Give a key another secret, the old one counts no more; its owner stays. Raises `NotFound`."""
        secret = new_secret()
        renewed = {"token": token_of(secret), "hint": hint_of(secret)}
        return await self._change_key(await self.key(given), fields, by, **renewed), secret

    async def _change_key(self, key: VirtualKey, fields: KeyFields, by: str, **more: Any) -> VirtualKey:
        changes = fields.key_changes() | more
        if fields.duration is not UNSET:
            changes["expires_at"] = expiry(fields.duration, self.now())
        await self._ensure_user(changes.get("user_id"), by, inherit=fields.inherit)
        try:
            return await self._change(VirtualKey, key.id, changes)
        except StateConflict as error:
            raise await self._conflict(replace(key, **changes)) from error

    async def block(self, kind: type[A], account_id: str, *, blocked: bool) -> A:
        """Block a key, user or team, or let it go on. Raises `NotFound`."""
        return await self.change(kind, account_id, {"blocked": blocked})

    async def create_team(self, fields: NewTeamFields, *, by: str) -> Team:
        """A new team. Raises `InvalidRequest` if there is one with its id.

        Raises `Conflict` if files, batches or costs belong to that id, unless it is to inherit them.
        """
        team_id = fields.team_id or str(uuid.uuid4())
        team = Team(id=team_id, **_made(by, self.now()), **fields.team_changes())
        await self._create(team, inherit=fields.inherit)
        return team

    async def create_user(self, fields: NewUserFields, *, by: str) -> User:
        """A new user. Raises as `create_team` does."""
        user_id = fields.user_id or str(uuid.uuid4())
        user = User(id=user_id, **_made(by, self.now()), **fields.user_changes())
        await self._create(user, inherit=fields.inherit)
        return user

    async def create_user_with_key(
        self, fields: NewUserFields, *, by: str
    ) -> tuple[User, tuple[VirtualKey, str] | None]:
        """A new user, and a key for it with its secret, unless `auto_create_key` is false; both or none."""
        user = await self.create_user(fields, by=by)
        if not fields.auto_create_key:
            return user, None
        wanted = NewKeyFields(
            user_id=user.id,
            team_id=fields.team_id or UNSET,
            key_alias=fields.key_alias or UNSET,
            duration=fields.duration or UNSET,
        )
        try:
            return user, await self.generate(wanted, by=by)
        except RequestError:
            await self.delete(User, [user.id])
            raise

    async def get(self, kind: type[A], account_id: str) -> A:
        """A key, user or team by its id. Raises `NotFound`."""
        account = await self._store.get(kind, account_id)
        if account is None:
            raise _unknown(kind)
        return account

    async def page(self, kind: type[A], **query: Any) -> tuple[tuple[A, ...], int]:
        """Those that match, newest first, and how many there are; `query` is an `AccountQuery`'s."""
        found = await self._store.page(kind, AccountQuery(**query))
        return found.items, found.total

    async def spent(self, accounts: Iterable[Account]) -> Spent:
        """What was charged to each of them in its present budget period."""
        return await spent_by(self._storage.ledger, accounts, self.now().date())

    async def change(self, kind: type[A], account_id: str, changes: dict[str, Any]) -> A:
        """Change fields of a key, user or team. Raises `NotFound`."""
        try:
            return await self._change(kind, account_id, changes)
        except StateConflict as error:
            raise _unknown(kind) from error

    async def delete(self, kind: type[Account], account_ids: Sequence[str]) -> None:
        """Delete all of these, with users and teams their keys, or none. Raises `NotFound`.

        Files and batches stay their owner's; its webhook endpoints go.
        """
        try:
            await self._store.delete(kind, tuple(dict.fromkeys(account_ids)))
        except StateConflict as error:
            raise _unknown(kind) from error
        self._cache.forget()

    async def _change(self, kind: type[A], account_id: str, changes: dict[str, Any]) -> A:
        written = changes | {"updated_at": self.now()}
        account = await self._store.change(kind, account_id, lambda current: replace(current, **written))
        self._cache.forget()
        return account

    async def _create(self, account: Account, *, inherit: bool) -> None:
        if await self._store.get(type(account), account.id) is None:
            await self._check_inheritance(account, inherit=inherit)
        try:
            await self._store.create(account)
        except StateConflict as error:
            word, param = _WORDS[type(account)]
            message = f"There is a {word} '{account.id}' already."
            raise InvalidRequest(message, param=param, code=f"{word}_exists") from error

    async def _ensure_user(self, user_id: str | None, by: str, *, inherit: bool) -> None:
        """As in LiteLLM a key may name a user that nobody made."""
        if user_id is None or await self._store.get(User, user_id) is not None:
            return
        user = User(id=user_id, **_made(by, self.now()))
        await self._check_inheritance(user, inherit=inherit)
        try:
            await self._store.create(user)
        except StateConflict:
            return  # somebody else was quicker

    async def _check_inheritance(self, account: Account, *, inherit: bool) -> None:
        """Whether a new account may own what is there of its id, from one that was deleted."""
        word, param = _WORDS[type(account)]
        if inherit or not await self._owns_anything(f"{word}:{account.id}"):
            return
        raise Conflict(
            f"Files, batches or costs of an earlier {word} '{account.id}' are still there, and a new one "
            'would own them. Send "inherit": true (on the command line --inherit) if it shall, or choose '
            "another id.",
            param=param,
            code="owner_has_objects",
        )

    async def _owns_anything(self, owner: str) -> bool:
        files = FileQuery(owner=owner, now=self.now(), limit=1)
        return bool(
            await self._storage.list_files(files)
            or await self._storage.list_batches(BatchQuery(owner=owner, limit=1))
            or await self._storage.ledger.spend(
                SpendQuery(owner=owner, group_by=(SpendField.OWNER,), limit=1)
            )
        )

    async def _conflict(self, key: VirtualKey) -> InvalidRequest | NotFound:
        """Why a key cannot be written."""
        if key.team_id is not None and await self._store.get(Team, key.team_id) is None:
            message = (
                f"There is no team '{key.team_id}': make it first, with POST /team/new"
                " or `litebatch teams create`."
            )
            return InvalidRequest(message, param="team_id", code="team_not_found")
        if key.alias is not None:
            same = (await self._store.page(VirtualKey, AccountQuery(alias=key.alias, limit=1))).items
            if same and same[0].id != key.id:
                message = f"There is a key with the alias '{key.alias}' already."
                return InvalidRequest(message, param="key_alias", code="key_alias_exists")
        if await self._store.find_key(key.token) is not None:
            return InvalidRequest("There is such a key already.", param="key", code="key_exists")
        return _unknown(VirtualKey)


def _unknown_model(name: str, meant: str | None) -> str:
    told = f"models: there is no model or access group '{name[:100]}' here"
    return told if meant is None else f"{told}: did you mean '{meant}'?"


def _made(by: str, now: datetime) -> dict[str, Any]:
    return {"created_at": now, "updated_at": now, "created_by": by}


def _unknown(kind: type[Account]) -> NotFound:
    word, param = _WORDS[kind]
    return NotFound(f"There is no such {word}.", param=param)
