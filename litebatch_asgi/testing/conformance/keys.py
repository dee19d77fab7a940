"""What every `KeyStore` has to do, as tests for whoever writes one.

They come with the fixtures of `StorageConformance`: a key store is found on a storage.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import anyio
import pytest
from msgspec.structs import replace

from litebatch_asgi.errors import ConfigError, StateConflict, StorageUnavailable
from litebatch_asgi.keys import AccountQuery, KeyStore, keys_of
from litebatch_asgi.models import Account, Team, User, VirtualKey
from litebatch_asgi.models.ids import KEY_PREFIX, new_id
from litebatch_asgi.models.keys import owner_of
from litebatch_asgi.storage import Storage
from litebatch_asgi.testing.conformance.base import Capability, NewStorage, StorageTests
from litebatch_asgi.testing.samples import an_endpoint
from litebatch_asgi.webhooks.endpoints import EndpointQuery

BEGINNING = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
EVERYTHING: dict[str, Any] = {
    "alias": 'naïve "☃"',
    "models": ("gpt-4o-*", "beta"),
    "max_batch_requests": 1,
    "max_open_batches": 0,
    "max_enqueued_requests": 3,
    "max_enqueued_tokens": 1 << 40,
    "max_file_bytes": 5,
    "max_files": 6,
    "max_budget": Decimal("12.50"),
    "blocked": True,
    "metadata": {"nested": [1, {"a": None}], "text": "ä"},
    "created_by": "master",
}


def times(second: float = 0) -> dict[str, Any]:
    """When it was made."""
    moment = BEGINNING + timedelta(seconds=second)
    return {"created_at": moment, "updated_at": moment}


def a_key(second: float = 0, **fields: Any) -> VirtualKey:
    """A key that is like no other."""
    key_id = new_id(KEY_PREFIX)
    given: dict[str, Any] = {"token": f"token of {key_id}", "hint": "sk-...abcd"}
    return VirtualKey(id=key_id, **(times(second) | given | fields))


def a_team(team_id: str = "search", **fields: Any) -> Team:
    """A team."""
    return Team(id=team_id, **(times() | fields))


def a_user(user_id: str = "7", **fields: Any) -> User:
    """A user."""
    return User(id=user_id, **(times() | fields))


class KeyStoreConformance(StorageTests):
    """All the tests. A subclass defines the fixture `new_storage` and says its `capabilities`."""

    @pytest.fixture
    def keys(self, storage: Storage) -> KeyStore:
        """The keys of an open storage."""
        return keys_of(storage)

    @pytest.fixture
    async def family(self, keys: KeyStore) -> tuple[Team, User, VirtualKey]:
        """A team, a user, and a key of both."""
        family = (a_team(), a_user(), a_key(team_id="search", user_id="7"))
        for account in family:
            await keys.create(account)
        return family

    @pytest.mark.parametrize(
        "account",
        [
            a_key(),
            a_key(**EVERYTHING, expires_at=BEGINNING),
            a_team(**EVERYTHING),
            a_user(**EVERYTHING, email="a@b.c", role="proxy_admin"),
        ],
    )
    async def test_what_was_created_comes_back(self, keys: KeyStore, account: Account) -> None:
        """Every field of it."""
        await keys.create(account)
        assert await keys.get(type(account), account.id) == account

    @pytest.mark.parametrize("kind", [VirtualKey, Team, User])
    async def test_what_is_not_there_is_none(self, keys: KeyStore, kind: type[Account]) -> None:
        """Nor is what is of another kind."""
        other = a_team("x") if kind is User else a_user("x")
        await keys.create(other)
        assert await keys.get(kind, "x") is None

    async def test_a_key_is_found_with_its_user_and_team(
        self, keys: KeyStore, family: tuple[Team, User, VirtualKey]
    ) -> None:
        """By the token that its secret has."""
        team, user, key = family
        lonely, shared = a_key(), a_key(team_id="search")
        await keys.create(lonely)
        await keys.create(shared)
        for each, of_user, of_team in ((key, user, team), (lonely, None, None), (shared, None, team)):
            grant = await keys.find_key(each.token)
            assert grant is not None
            assert (grant.key, grant.user, grant.team) == (each, of_user, of_team)

    async def test_an_unknown_token_finds_nothing(
        self, keys: KeyStore, family: tuple[Team, User, VirtualKey]
    ) -> None:
        """Nor does an id, an alias, or what looks like a part of a token."""
        for token in ("", "token", family[2].id, family[2].token + " ", "%", family[2].token.upper()):
            assert await keys.find_key(token) is None

    @pytest.mark.parametrize("same", ["id", "token", "alias"])
    async def test_a_key_that_is_there_already(self, keys: KeyStore, same: str) -> None:
        """Its id, its token and its alias are its own."""
        first = a_key(alias="ci")
        await keys.create(first)
        with pytest.raises(StateConflict):
            await keys.create(replace(a_key(), **{same: getattr(first, same)}))
        assert (await keys.page(VirtualKey, AccountQuery(limit=10))).items == (first,)

    async def test_many_keys_have_no_alias_and_many_teams_the_same(self, keys: KeyStore) -> None:
        """Only two keys with the same alias are one too many."""
        for account in (a_key(), a_key(), a_team("a", alias="x"), a_team("b", alias="x"), a_key(alias="x")):
            await keys.create(account)

    async def test_aliases_are_found_by_ids(self, keys: KeyStore) -> None:
        """Of keys that have one, and of no others."""
        named, other, nameless = a_key(alias='naïve "☃"'), a_key(alias="b"), a_key()
        for account in (named, other, nameless, a_team("search", alias="c")):
            await keys.create(account)
        asked = [named.id, nameless.id, "search", "gone", named.id, '"']
        assert await keys.aliases(asked) == {named.id: 'naïve "☃"'}
        assert await keys.aliases([]) == {}

    @pytest.mark.parametrize("missing", [{"user_id": "nobody"}, {"team_id": "none"}])
    async def test_a_key_needs_the_user_and_team_that_it_names(
        self, keys: KeyStore, missing: dict[str, Any]
    ) -> None:
        """When it is made and when it is changed."""
        with pytest.raises(StateConflict):
            await keys.create(a_key(**missing))
        key = a_key()
        await keys.create(key)
        with pytest.raises(StateConflict):
            await keys.change(VirtualKey, key.id, lambda current: replace(current, **missing))
        assert await keys.get(VirtualKey, key.id) == key

    async def test_pages_are_newest_first(self, keys: KeyStore) -> None:
        """With how many there are on all of them."""
        made = [a_key(second) for second in (3, 1, 2, 2, 0)]
        for key in made:
            await keys.create(key)
        expected = sorted(made, key=lambda key: (key.created_at, key.id), reverse=True)
        for offset in range(0, 6, 2):
            page = await keys.page(VirtualKey, AccountQuery(limit=2, offset=offset))
            assert page.items == tuple(expected[offset : offset + 2])
            assert page.total == 5

    async def test_pages_of_those_that_match(
        self, keys: KeyStore, family: tuple[Team, User, VirtualKey]
    ) -> None:
        """All that is asked for has to."""
        await keys.create(a_team("other"))
        key, other = family[2], a_key(team_id="other", user_id="7", alias="ci")
        await keys.create(other)
        cases: list[tuple[dict[str, Any], set[str]]] = [
            ({"team_id": "search"}, {key.id}),
            ({"user_id": "7"}, {key.id, other.id}),
            ({"user_id": "7", "alias": "ci"}, {other.id}),
            ({"team_id": "search", "alias": "ci"}, set()),
            ({"id": key.id}, {key.id}),
        ]
        for query, found in cases:
            page = await keys.page(VirtualKey, AccountQuery(limit=10, **query))
            assert {item.id for item in page.items} == found
            assert page.total == len(found)
        assert (await keys.page(Team, AccountQuery(limit=10, id="other"))).total == 1
        assert (await keys.page(User, AccountQuery(limit=10, alias="ci"))).total == 0

    async def test_a_change_is_written(self, keys: KeyStore) -> None:
        """Every field but `id` and `created_at`."""
        key = a_key()
        await keys.create(key)
        later = BEGINNING + timedelta(days=1)
        fields = EVERYTHING | {"token": "new", "hint": "sk-...new", "updated_at": later, "expires_at": later}
        changed = await keys.change(VirtualKey, key.id, lambda current: replace(current, **fields))
        assert changed == replace(key, **fields)
        assert await keys.get(VirtualKey, key.id) == changed
        assert await keys.find_key(key.token) is None
        assert await keys.find_key("new") is not None

    async def test_a_change_that_raises_changes_nothing(self, keys: KeyStore) -> None:
        """What it raises passes through."""
        team = a_team()
        await keys.create(team)

        def refuse(_: Team) -> Team:
            raise ConfigError("no")

        with pytest.raises(ConfigError):
            await keys.change(Team, team.id, refuse)
        assert await keys.get(Team, team.id) == team

    @pytest.mark.parametrize("kind", [VirtualKey, Team, User])
    async def test_what_is_not_there_cannot_be_changed(self, keys: KeyStore, kind: type[Account]) -> None:
        """Nor deleted."""
        with pytest.raises(StateConflict):
            await keys.change(kind, "nobody", lambda current: current)
        with pytest.raises(StateConflict):
            await keys.delete(kind, ["nobody"])

    async def test_deleting_is_of_all_or_none(self, keys: KeyStore) -> None:
        """If one is not there the others stay."""
        one, other = a_key(), a_key()
        await keys.create(one)
        await keys.create(other)
        with pytest.raises(StateConflict):
            await keys.delete(VirtualKey, [one.id, "nobody", other.id])
        assert (await keys.page(VirtualKey, AccountQuery(limit=10))).total == 2
        await keys.delete(VirtualKey, [one.id, other.id])
        assert (await keys.page(VirtualKey, AccountQuery(limit=10))).total == 0
        assert await keys.find_key(one.token) is None

    async def test_of_many_deletions_of_the_same_at_once_one_deletes(self, keys: KeyStore) -> None:
        """In whatever order they name them; the others find nothing."""
        accounts = [a_user(f"{number}") for number in range(8)]
        for account in accounts:
            await keys.create(account)
        ids = [account.id for account in accounts]
        outcomes: Counter[str] = Counter()

        async def delete(order: list[str]) -> None:
            try:
                await keys.delete(User, order)
            except StateConflict:
                outcomes["not there"] += 1
            else:
                outcomes["deleted"] += 1

        async with anyio.create_task_group() as group:
            for order in (ids, ids[::-1], ids[4:] + ids[:4], ids[::-1]):
                group.start_soon(delete, order)
        assert outcomes == {"deleted": 1, "not there": 3}

    @pytest.mark.parametrize("kind", [Team, User])
    async def test_with_a_user_or_team_go_its_keys(
        self, keys: KeyStore, family: tuple[Team, User, VirtualKey], kind: type[Account]
    ) -> None:
        """And nobody else's."""
        lonely = a_key()
        await keys.create(lonely)
        await keys.delete(kind, ["search" if kind is Team else "7"])
        page = await keys.page(VirtualKey, AccountQuery(limit=10))
        assert page.items == (lonely,)
        assert (await keys.page(User if kind is Team else Team, AccountQuery(limit=10))).total == 1

    @pytest.mark.parametrize("kind", [VirtualKey, Team, User])
    async def test_with_an_owner_go_its_webhook_endpoints(
        self, storage: Storage, kind: type[Account]
    ) -> None:
        """And nobody else's."""
        keys, endpoints = keys_of(storage), storage.webhook_endpoints
        [account] = [each for each in (a_key(), a_team(), a_user()) if isinstance(each, kind)]
        await keys.create(account)
        others = ("master", f"{account.id}", f"team:{account.id}x", "user:8")
        for owner in (owner_of(kind, account.id), *others):
            assert await endpoints.create(an_endpoint(owner=owner), most=9)
        with pytest.raises(StateConflict):
            await keys.delete(kind, [account.id, "unknown"])
        assert len(await endpoints.page(EndpointQuery(owner=None, limit=9))) == 5
        await keys.delete(kind, [account.id])
        left = await endpoints.page(EndpointQuery(owner=None, limit=9))
        assert sorted(each.owner for each in left) == sorted(others)

    async def test_what_one_store_wrote_another_sees(
        self, keys: KeyStore, family: tuple[Team, User, VirtualKey], new_storage: NewStorage
    ) -> None:
        """At once, and after it has been opened again."""
        self.skip_without(Capability.SHARED)
        other = new_storage()
        await other.open()
        await keys.change(User, "7", lambda user: replace(user, blocked=True))
        grant = await keys_of(other).find_key(family[2].token)
        await other.close()
        assert grant is not None
        assert grant.user is not None
        assert grant.user.blocked

    async def test_without_a_connection_every_method_says_so(self, new_storage: NewStorage) -> None:
        """Before the storage is opened there is no database that answers."""
        keys = keys_of(new_storage())
        for call in (
            keys.find_key("t"),
            keys.create(a_team()),
            keys.get(Team, "t"),
            keys.page(Team, AccountQuery(limit=1)),
            keys.change(Team, "t", lambda team: team),
            keys.delete(Team, ["t"]),
        ):
            with pytest.raises(StorageUnavailable):
                await call
