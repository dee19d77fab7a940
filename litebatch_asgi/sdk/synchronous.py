"""Synchronous twins of asynchronous functions.

They run on an event loop of their own, in a thread that all calls of the process share and that ends with
the last of them. So they can be called where a loop runs, which waits for them as for any blocking call.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, wait
from functools import partial, wraps
from typing import Any, ParamSpec, TypeVar

from anyio.from_thread import BlockingPortalProvider

_LOOK_SECONDS = 0.5
"""between two looks for an interrupt: one that comes just before a wait begins does not end it"""

P = ParamSpec("P")
T = TypeVar("T")


class _Loop:
    """The event loop of this process, which runs as long as calls are under way."""

    def __init__(self) -> None:
        self._provider = BlockingPortalProvider()

    def renew(self) -> None:
        """Have a loop of one's own after a fork: the parent's thread is not there."""
        self._provider = BlockingPortalProvider()

    def run(self, function: Callable[[], Coroutine[Any, Any, T]]) -> T:
        with self._provider as portal:
            done: Future[T] = portal.start_task_soon(function)
            try:
                while not done.done():
                    wait([done], timeout=_LOOK_SECONDS)
                return done.result()
            except BaseException:
                done.cancel()  # of an interrupted wait; the call is over before this one ends
                raise


_loop = _Loop()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_loop.renew)


def synchronous(function: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    """The same, for whoever cannot await. An interrupted call is cancelled."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        return _loop.run(partial(function, *args, **kwargs))

    call.__name__ = call.__qualname__ = function.__name__.removeprefix("a")
    return call


def twin_of(
    function: Callable[P, Coroutine[Any, Any, T]],
) -> Callable[[Callable[[], None]], Callable[P, T]]:
    """Put `synchronous` of a function in the place of one that gives it its name."""
    return lambda named: synchronous(function)
