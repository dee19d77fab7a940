"""A database's clock that was set back: what was to come soon by it would otherwise come that much later."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from litebatch_sql.executor import Transaction
from litebatch_sql.queries import Queries
from litebatch_sql.rows import to_microseconds

logger: logging.Logger = logging.getLogger("litebatch_asgi.storage")

WAITED_FOR = timedelta(minutes=1)
"""of so little nothing is made: it is over before anybody has to know"""
_TABLES = (
    "jobs",
    "file_copies",
    "contents",
    "line_ranges",
    "line_alone",
    "event_deliveries",
    "webhook_endpoints",
    "files",
    "batches",
    "heartbeats",
)


async def bring_back(transaction: Transaction, queries: Queries, *, last: datetime, now: datetime) -> None:
    """Bring back what lies in the future, if the clock has been at `last` before.

    Looks and claims keep their distance from each other. What was due in the future all the same comes early,
    and is found not to be due.
    """
    ahead = last - now
    if ahead <= WAITED_FOR:
        return
    logger.warning("the database's clock was set back", extra={"seconds": ahead.total_seconds()})
    moment = {"moment": to_microseconds(now), "ahead": ahead // timedelta(microseconds=1)}
    for table in _TABLES:
        await transaction.execute(queries.sql(f"bring_back_{table}"), moment)
