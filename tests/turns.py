"""How long a turn of an event loop takes: so long waits everybody else who is served by it."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

LONGEST_SECONDS = 0.05


class Turns:
    """Those that were seen so far."""

    def __init__(self) -> None:
        self.longest = 0.0
        """seconds of the processor's time, whatever else the machine has to do"""


@asynccontextmanager
async def watching_turns() -> AsyncGenerator[Turns]:
    """Look at each turn of this thread's loop, until the block ends."""
    turns = Turns()

    async def watch() -> None:
        began = time.thread_time()
        while True:
            await asyncio.sleep(0)
            now = time.thread_time()
            turns.longest, began = max(turns.longest, now - began), now

    gc.collect()
    gc.disable()
    task = asyncio.create_task(watch())
    try:
        yield turns
    finally:
        task.cancel()
        gc.enable()
