"""The clock that replicas share: each process's own, set by the database's."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

import anyio

from litebatch_asgi.errors import StorageUnavailable
from litebatch_asgi.storage import Storage

logger: logging.Logger = logging.getLogger(__name__)

SYNCHRONISE_SECONDS = 30.0
"""How often the database is asked for its time."""
_WORTH_TELLING = timedelta(seconds=1)


def process_now() -> datetime:
    """This process's clock, which may be wrong: the only place that reads it for what the database keeps."""
    return datetime.now(UTC)


class Clock:
    """Tells the database's time without asking it: replicas with wrong clocks agree on what is due.

    Leases do not rest on it: they are the database's own.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._offset = timedelta()

    def now(self) -> datetime:
        """The time, aware and in UTC."""
        return process_now() + self._offset

    async def synchronise(self) -> None:
        """Ask the database. Raises `StorageUnavailable`.

        It is taken to have answered in the middle of the round trip; what the trip explains changes nothing.
        """
        asked, began = process_now(), anyio.current_time()
        told = await self._storage.now()
        half = timedelta(seconds=anyio.current_time() - began) / 2
        offset = told - (asked + half)
        difference = abs(offset - self._offset)
        if difference <= half:
            return
        self._offset = offset
        if difference >= _WORTH_TELLING:
            logger.warning("this clock is not the database's", extra={"seconds": -offset.total_seconds()})

    async def run(self) -> None:
        """Ask again and again, until cancelled."""
        while True:
            await anyio.sleep(SYNCHRONISE_SECONDS)
            try:
                await self.synchronise()
            except StorageUnavailable as error:
                logger.info("the clock goes on as it was set last", extra={"error": str(error)})
            except Exception:  # whatever a storage raises: everything else would end with this
                logger.exception("the clock goes on as it was set last")
