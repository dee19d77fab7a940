"""Sessions that were ended, in memory."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from litebatch_asgi.testing.tables import Tables


class MemorySessionStore:
    """A `SessionStore` that lives as long as the object does."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._ended: dict[str, datetime] = {}

    async def end(self, session_id: str, *, seconds: float) -> None:
        """See `SessionStore.end`."""
        self._tables.check_open()
        now = datetime.now(UTC)
        kept = {id_: until for id_, until in self._ended.items() if until > now}
        self._ended = {**kept, session_id: now + timedelta(seconds=seconds)}

    async def has_ended(self, session_id: str) -> bool:
        """See `SessionStore.has_ended`."""
        self._tables.check_open()
        until = self._ended.get(session_id)
        return until is not None and until > datetime.now(UTC)
