"""Threads of our own, for disks and for what would hold the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

import anyio

from litebatch_asgi.errors import Unavailable

P = ParamSpec("P")
T = TypeVar("T")

THREADS = 4
_LOOK_SECONDS = 0.002


class Threads(ThreadPoolExecutor):
    """An executor whose end can be awaited; the default ones of asyncio and anyio are the host's."""

    def __init__(self, count: int = THREADS) -> None:
        super().__init__(count, thread_name_prefix="litebatch")

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Call `fn` in one of the threads. Raises `Unavailable` once they are to end."""
        try:
            return super().submit(fn, *args, **kwargs)
        except RuntimeError as error:
            raise Unavailable("The gateway is shutting down, try again later.") from error

    async def aclose(self, seconds: float) -> bool:
        """End the threads once all that was submitted is done; wait for it at most so long.

        Returns whether they have ended. One that a caller's own file object keeps waiting cannot be ended.
        """
        closer = threading.Thread(target=self.shutdown, name="litebatch-closing", daemon=True)
        closer.start()
        with anyio.move_on_after(seconds, shield=True):
            while closer.is_alive():  # noqa: ASYNC110 - a thread's end cannot be awaited
                await anyio.sleep(_LOOK_SECONDS)
        return not closer.is_alive()


def begun_in_daemon_thread(work: Callable[[], T]) -> Future[T]:
    """Call `work` in a thread of its own that no end of the process waits for; what it comes to.

    For what may hang and harms nobody when it is cut off.
    """
    done: Future[T] = Future()
    done.set_running_or_notify_cancel()  # from here on nobody cancels it but the work itself

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as error:
            done.set_exception(error)

    threading.Thread(target=run, name="litebatch-daemon", daemon=True).start()
    return done


async def in_daemon_thread(work: Callable[[], T]) -> T:
    """The same, waited for; who is cancelled while waiting leaves it alone."""
    return await asyncio.wrap_future(begun_in_daemon_thread(work))


async def in_thread(work: Callable[[], T]) -> T:
    """Call `work` in a thread of its own, which ends with it."""
    thread = ThreadPoolExecutor(1, thread_name_prefix="litebatch")
    try:
        return await asyncio.wrap_future(thread.submit(work))
    finally:
        thread.shutdown(wait=False)
