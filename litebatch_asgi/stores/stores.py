"""The content stores of a configuration, by their names: `database`, or URLs."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Self

from litebatch_asgi import plugins
from litebatch_asgi.contents import ContentRows, ContentStore
from litebatch_asgi.errors import ConfigError, StoreGone
from litebatch_asgi.models import DATABASE_STORE, Settings
from litebatch_asgi.stores.database import DatabaseContentStore


class ContentStores:
    """Every store that contents may be in: the database always, and those that are configured."""

    def __init__(self, stores: Mapping[str, ContentStore], current: str) -> None:
        self._stores = stores
        self.current = current
        """the name of the store that new contents go to"""

    @classmethod
    @asynccontextmanager
    async def opened(
        cls, rows: ContentRows, configured: Mapping[str, ContentStore], current: str
    ) -> AsyncGenerator[Self]:
        """The database and those that are configured, open until the block ends. Raises `ConfigError`."""
        async with AsyncExitStack() as stack:
            for store in configured.values():
                stack.push_async_callback(store.aclose)
                await store.open()
            yield cls({DATABASE_STORE: DatabaseContentStore(rows), **configured}, store_name(current))

    @property
    def names(self) -> Collection[str]:
        """Of all of them."""
        return self._stores.keys()

    def store(self, name: str | None) -> ContentStore:
        """The store of this name. Raises `StoreGone` if it is not configured any more."""
        if name is None or name not in self._stores:
            raise StoreGone(
                "The content is in a store that the gateway's configuration no longer names: an operator has "
                "to put it back, as `content_store` or one of `old_content_stores`."
            )
        return self._stores[name]


def store_name(url: str) -> str:
    """What parts call the store: however its URL ends, it is the same."""
    return url.rstrip("/")


def load_stores(settings: Settings) -> dict[str, ContentStore]:
    """The stores that settings name, beside the database. Raises `ConfigError` for what cannot be used."""
    names = map(store_name, (settings.content_store, *settings.old_content_stores))
    return {name: _load(name) for name in names if name != DATABASE_STORE}


def _load(name: str) -> ContentStore:
    scheme = name.partition(":")[0]
    known = plugins.offered(plugins.CONTENT_STORES)
    if scheme not in known:
        others = ", ".join(f"{scheme}://..." for scheme in sorted(known))
        raise ConfigError(f"content_store: {name!r} is neither {DATABASE_STORE!r} nor one of {others}")
    store: ContentStore = known[scheme].load()(name)
    return store
