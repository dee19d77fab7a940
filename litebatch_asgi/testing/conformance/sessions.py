"""Sessions of the page that were ended before their time."""

from __future__ import annotations

from collections.abc import Sequence

from litebatch_asgi.storage import Storage
from litebatch_asgi.testing.conformance.base import StorageTests

HOUR = 3600.0


class SessionTests(StorageTests):
    """Sessions of the page that were ended before their time."""

    async def test_a_session_that_was_ended_is_known_to_all(self, storages: Sequence[Storage]) -> None:
        """And no other one; ending it again changes nothing."""
        first, last = storages[0], storages[-1]
        assert not await last.sessions.has_ended("a")
        for _ in range(2):
            await first.sessions.end("a", seconds=HOUR)
            assert await last.sessions.has_ended("a")
            assert await first.sessions.has_ended("a")
            assert not await last.sessions.has_ended("A")

    async def test_what_would_be_over_anyway_is_forgotten(self, storage: Storage) -> None:
        """By its own time: another one that ends later stays."""
        await storage.sessions.end("later", seconds=HOUR)
        await storage.sessions.end("over", seconds=0)
        assert not await storage.sessions.has_ended("over")
        await storage.sessions.end("another", seconds=HOUR)
        assert not await storage.sessions.has_ended("over")
        assert await storage.sessions.has_ended("later")
