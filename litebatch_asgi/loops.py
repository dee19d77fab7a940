"""Loops that go on for ever, whatever happens to the database."""

from __future__ import annotations

import logging
import random
from collections.abc import Awaitable, Callable

import anyio
from anyio.abc import TaskGroup

from litebatch_asgi.errors import StorageUnavailable

logger: logging.Logger = logging.getLogger(__name__)

BACK_OFF = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""seconds to pause at most, and at least half as long, after each look that the database did not answer"""

RESTART_SECONDS = 1.0
"""to pause at most, and at least half as long, before what failed begins anew"""


async def for_ever(look: Callable[[], Awaitable[object]], rest: Callable[[], Awaitable[None]]) -> None:
    """Look, rest, and so on; without rest where a look had something to do, later where no database is."""
    failures = 0
    while True:
        found: object = None
        try:
            found = await look()
            if failures:
                logger.info("the database answers again")
            failures = 0
        except StorageUnavailable as error:
            logger.warning("the database does not answer", extra={"error": str(error)})
            await sleep_scattered(BACK_OFF[min(failures, len(BACK_OFF) - 1)])
            failures += 1
            continue
        except Exception:
            logger.exception("the loop failed and goes on")
        if not found:
            await rest()


async def restarted(run: Callable[[], Awaitable[object]]) -> None:
    """Run what is to run until it is cancelled: where it fails, that is logged and it begins anew."""
    while True:
        try:
            await run()
        except Exception:
            logger.exception("what runs in the background failed and begins anew")
        else:
            return
        await sleep_scattered(RESTART_SECONDS)


def beside(group: TaskGroup) -> Callable[..., None]:
    """Begins tasks of a group, with a function and its arguments; one that fails is logged and ends alone."""

    async def run(function: Callable[..., Awaitable[object]], *args: object) -> None:
        try:
            await function(*args)
        except Exception:
            logger.exception("a task failed")

    def start(function: Callable[..., Awaitable[object]], *args: object) -> None:
        group.start_soon(run, function, *args)

    return start


async def sleep_scattered(seconds: float) -> None:
    """Sleep for `scattered(seconds)`."""
    await anyio.sleep(scattered(seconds))


def scattered(seconds: float) -> float:
    """Half of it to all of it: replicas shall not do the same at the same moment."""
    return seconds * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not secrecy
