"""The seam to sessions of the page that were ended before their time.

Each sentence of the docstrings is held by a test of `litebatch_asgi.testing.conformance.StorageConformance`.
"""

from __future__ import annotations

from typing import Protocol


class SessionStore(Protocol):
    """Knows which sessions count no more, in all processes; times are by the database's clock.

    Every method may raise `StorageUnavailable`, and does when the storage is not open.
    """

    async def end(self, session_id: str, *, seconds: float) -> None:
        """Let a session count no more, and know so for so many seconds. Forgets those whose time is over."""
        ...

    async def has_ended(self, session_id: str) -> bool:
        """Whether a session was ended, and its time is not over."""
        ...
