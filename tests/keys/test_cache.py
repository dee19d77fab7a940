"""What is remembered of keys, and what unknown ones can cost."""

from __future__ import annotations

from datetime import UTC, datetime

import anyio
import pytest
from msgspec.structs import replace

from litebatch_asgi.errors import StorageUnavailable
from litebatch_asgi.models import KeyGrant, VirtualKey
from litebatch_asgi.server.keys import cache
from litebatch_asgi.server.keys.cache import CACHED_SECONDS, MOST_LOOKUPS, UNKNOWN_SECONDS, GrantCache
from litebatch_asgi.testing.keys import MemoryKeyStore

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEY = VirtualKey(id="k", token="t", hint="", created_at=NOW, updated_at=NOW)


class Watched(MemoryKeyStore):
    """A store that counts look-ups, and lets them wait."""

    def __init__(self) -> None:
        super().__init__(lambda: None)
        self.lookups = 0
        self.now, self.most = 0, 0
        self.go_on = anyio.Event()
        self.go_on.set()

    async def find_key(self, token: str) -> KeyGrant | None:
        self.lookups += 1
        self.now += 1
        self.most = max(self.most, self.now)
        found = await super().find_key(token)
        await self.go_on.wait()
        self.now -= 1
        return found


class Clock:
    """Seconds, as a test says."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
async def store() -> Watched:
    store = Watched()
    await store.create(KEY)
    return store


async def test_a_key_is_looked_up_once_in_a_while(store: Watched) -> None:
    clock = Clock()
    grants = GrantCache(store, clock=clock)
    for seconds, lookups in ((0, 1), (CACHED_SECONDS - 0.1, 1), (0.2, 2), (1, 2), (CACHED_SECONDS, 3)):
        clock.seconds += seconds
        assert await grants.find("t") == KeyGrant(key=KEY)
        assert store.lookups == lookups


async def test_an_unknown_key_is_remembered_for_less_long(store: Watched) -> None:
    clock = Clock()
    grants = GrantCache(store, clock=clock)
    for seconds, lookups in ((0, 1), (UNKNOWN_SECONDS - 0.1, 1), (0.2, 2)):
        clock.seconds += seconds
        assert await grants.find("x") is None
        assert store.lookups == lookups


async def test_what_is_forgotten_is_looked_up_again(store: Watched) -> None:
    grants = GrantCache(store, clock=Clock())
    await grants.find("t")
    await store.change(VirtualKey, "k", lambda key: replace(key, blocked=True))
    grants.forget()
    found = await grants.find("t")
    assert found is not None
    assert found.key.blocked


async def test_what_was_read_before_a_change_is_not_kept_after_it(store: Watched) -> None:
    grants = GrantCache(store, clock=Clock())
    store.go_on = anyio.Event()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(grants.find, "t")
        await anyio.wait_all_tasks_blocked()
        await store.change(VirtualKey, "k", lambda key: replace(key, blocked=True))
        grants.forget()
        store.go_on.set()
    found = await grants.find("t")
    assert found is not None
    assert found.key.blocked


async def test_many_requests_with_one_key_look_it_up_once(store: Watched) -> None:
    grants = GrantCache(store, clock=Clock())
    store.go_on = anyio.Event()
    async with anyio.create_task_group() as tasks:
        for _ in range(50):
            tasks.start_soon(grants.find, "t")
        await anyio.wait_all_tasks_blocked()
        store.go_on.set()
    assert store.lookups <= MOST_LOOKUPS


async def test_unknown_keys_cost_a_few_lookups_at_once(store: Watched) -> None:
    grants = GrantCache(store, clock=Clock())
    store.go_on = anyio.Event()
    async with anyio.create_task_group() as tasks:
        for number in range(50):
            tasks.start_soon(grants.find, f"guess {number}")
        await anyio.wait_all_tasks_blocked()
        store.go_on.set()
    assert (store.lookups, store.most) == (50, MOST_LOOKUPS)


@pytest.mark.parametrize("is_forgotten", [False, True])
async def test_unknown_keys_do_not_keep_known_ones_waiting(store: Watched, is_forgotten: bool) -> None:
    """Neither after a while, nor after somebody has changed something."""
    clock = Clock()
    grants = GrantCache(store, clock=clock)
    await grants.find("t")
    if is_forgotten:
        grants.forget()
    else:
        clock.seconds += CACHED_SECONDS
    store.go_on = anyio.Event()
    async with anyio.create_task_group() as tasks:
        for number in range(50):
            tasks.start_soon(grants.find, f"guess {number}")
        await anyio.wait_all_tasks_blocked()
        before = store.lookups
        tasks.start_soon(grants.find, "t")
        await anyio.wait_all_tasks_blocked()
        assert store.lookups == before + 1
        store.go_on.set()


async def test_unknown_keys_do_not_drive_out_known_ones(
    store: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "MOST_KEYS", 3)
    grants = GrantCache(store, clock=Clock())
    await grants.find("t")
    for number in range(10):
        await grants.find(f"guess {number}")
    lookups = store.lookups
    await grants.find("t")
    await grants.find("guess 9")
    assert store.lookups == lookups
    await grants.find("guess 0")
    assert store.lookups == lookups + 1


async def test_a_database_that_does_not_answer_lets_nobody_in() -> None:
    def refuse() -> None:
        raise StorageUnavailable("away")

    grants = GrantCache(MemoryKeyStore(refuse), clock=Clock())
    with pytest.raises(StorageUnavailable):
        await grants.find("t")
