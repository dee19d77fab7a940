"""Discarding: contents that nothing names are deleted, their bytes first and their rows last."""

from __future__ import annotations

import logging
from functools import partial

from litebatch_asgi.errors import StateConflict, StorageUnavailable, StoreUnavailable
from litebatch_asgi.failpoints import hit
from litebatch_asgi.leases import Lease
from litebatch_asgi.lifetimes import WATCH_FOR
from litebatch_asgi.models import DATABASE_STORE, Content
from litebatch_asgi.runtime import Runtime

logger: logging.Logger = logging.getLogger(__name__)

_AT_ONCE = 8


class Discarder:
    """Deletes what is due in the stores that are configured, however it came to be of no use."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._has_warned = False

    async def step(self) -> bool:
        """Delete some of it; whether there may be more. Raises `StorageUnavailable`."""
        runtime = self._runtime
        await self._warn_in_time()
        contents = await runtime.storage.contents.claim_due(
            runtime.worker,
            stores=runtime.stores.names,
            limit=_AT_ONCE,
            lease_seconds=runtime.settings.lease_seconds,
            watch_seconds=WATCH_FOR.total_seconds(),
        )
        for content in contents:
            try:
                await runtime.leases.run(content, partial(self._discard, content))
            except StateConflict as error:
                told = {"content": content.key, "error": str(error)}
                logger.info("somebody else deletes a content", extra=told)
        return len(contents) == _AT_ONCE

    async def _discard(self, content: Content, _: Lease) -> None:
        """Once more when nobody can be writing it any more, if its writer was lost."""
        hit("content.discarding")
        rows, now = self._runtime.storage.contents, self._runtime.now()
        try:
            await self._runtime.stores.store(content.store).delete(content.key)
        except StorageUnavailable:
            raise
        except StoreUnavailable as error:
            told = {"content": content.key, "store": content.store, "error": error.message}
            logger.warning("a content cannot be deleted now", extra=told)
            await rows.postpone(content, self._runtime.next_look(now, None, content.epoch))
            return
        hit("content.deleted")
        if content.watch_until is not None and now < content.watch_until:
            await rows.postpone(content, content.watch_until)
        else:
            await rows.remove(content)

    async def _warn_in_time(self) -> None:
        stores = self._runtime.stores
        if self._has_warned or stores.current != DATABASE_STORE:
            return
        held = await self._runtime.storage.contents.outgrown(DATABASE_STORE)
        if held is not None:
            self._has_warned = True
            logger.warning(
                "the database holds %.1f GB of contents: more than a file is good for. Name a folder or "
                "a bucket as `content_store`, such as file:///var/lib/litebatch or s3://bucket/prefix: new "
                "contents go there, and those that are in the database can be read as before",
                held / 1e9,
            )
