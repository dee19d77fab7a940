"""A thread for one call: the pools of asyncio and anyio are the host's, and keep a thread that was used."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def in_own_thread(work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Call `work` in a thread that ends with it; cancelled, the caller does not wait for that end."""
    executor = ThreadPoolExecutor(1, thread_name_prefix="litebatch-storage")
    try:
        return await asyncio.wrap_future(executor.submit(work, *args, **kwargs))
    finally:
        executor.shutdown(wait=False)
