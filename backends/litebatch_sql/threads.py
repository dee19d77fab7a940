"""A thread for one call: the pools of asyncio and anyio are the host's, and keep a thread that was used."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

import anyio

P = ParamSpec("P")
T = TypeVar("T")


_FINISH_SECONDS = 5.0
"""How long a cancelled caller is kept at most until its thread has ended."""


async def in_own_thread(work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Call `work` in a thread that ends with it; a cancelled caller waits for that end, for a while."""
    executor = ThreadPoolExecutor(1, thread_name_prefix="litebatch-storage")
    future = asyncio.wrap_future(executor.submit(work, *args, **kwargs))
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        with anyio.move_on_after(_FINISH_SECONDS, shield=True):
            await asyncio.wait([future])
            future.exception()  # nobody else will ask
        raise
    finally:
        executor.shutdown(wait=False)
