"""What the database tells of all processes: read before a scrape, and kept for some seconds."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping

import anyio
import msgspec

from litebatch_asgi.errors import StorageUnavailable
from litebatch_asgi.figures import Untold
from litebatch_asgi.models import BatchStatus, Work
from litebatch_asgi.storage import Storage

logger: logging.Logger = logging.getLogger(__name__)

KEPT_SECONDS = 10.0
"""how old figures may be"""
SPARED = 20.0
"""they are kept at least so many times longer than reading them took"""
FAILED_SECONDS = 2.0
"""how long a database that did not answer is left alone"""
READ_SECONDS = 3.0
"""how long a scrape waits for the database"""
MOST_UNTOLD = 10_000
"""deliveries of a sink that are counted"""


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What the database has told."""

    open_batches: Mapping[BatchStatus, int]
    open_requests: Mapping[str, int]
    """by deployment"""
    late: Mapping[Work | None, float]
    """seconds by what is to be done; None: with a copy"""
    untold: Mapping[str, Untold]
    """what sinks have not taken, by sink"""


class FigureReader:
    """Reads figures, once for all who ask in the meantime."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._turn = anyio.Lock()  # of no event loop: one may follow another
        self._fresh_until = 0.0
        self.last: Figures | None = None
        """what was read last; None: the database did not answer"""

    async def refresh(self) -> None:
        """See to it that `last` is not too old. Returns in time, also without a database."""
        async with self._turn:
            began = time.monotonic()
            if began < self._fresh_until:
                return
            self.last = await self._read()
            ended = time.monotonic()
            kept = FAILED_SECONDS if self.last is None else max(KEPT_SECONDS, SPARED * (ended - began))
            self._fresh_until = ended + kept

    async def keep_fresh(self) -> None:
        """Go on refreshing until cancelled, for those who collect without asking before."""
        while True:
            await self.refresh()
            await anyio.sleep(max(FAILED_SECONDS, self._fresh_until - time.monotonic()))

    async def _read(self) -> Figures | None:
        try:
            with anyio.fail_after(READ_SECONDS):
                return Figures(
                    open_batches=await self._storage.figures.open_batches(),
                    open_requests=await self._storage.open_requests(),
                    late=await self._storage.figures.late(),
                    untold=await self._storage.figures.untold(MOST_UNTOLD),
                )
        except (StorageUnavailable, TimeoutError) as error:
            logger.info("the database does not tell figures", extra={"error": repr(error)})
            return None
        except Exception:
            logger.exception("the database does not tell figures")
            return None
