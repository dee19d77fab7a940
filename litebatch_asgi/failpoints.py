"""Named places where a test may make the process die or an error appear.

Nothing is armed unless `arm` is called, which the command line does with the environment variable
`LITEBATCH_FAILPOINTS`: a comma list of `name=action`, or `name=N*action` to let it pass N-1 times first.
The actions are `kill` and `stop` (SIGKILL and SIGSTOP to this very process) and `raise` (an `InjectedFault`).
In process a place may have something called as well, and awaited if it is one that is `passing`.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager


class InjectedFault(Exception):
    """Raised at a failpoint whose action is `raise`."""


_SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}
_armed: dict[str, tuple[int, str | Callable[[], object]]] = {}


def arm(text: str) -> None:
    """Arm what `text` says, such as `place.answered=kill,settle.read=2*raise`."""
    for item in filter(None, text.split(",")):
        name, _, action = item.partition("=")
        count, _, action = action.rpartition("*")
        if action not in (*_SIGNALS, "raise"):
            raise ValueError(f"failpoint {item!r}: the action is `kill`, `stop` or `raise`")
        _armed[name.strip()] = (int(count or 1), action)


@contextmanager
def armed(text: str) -> Generator[None]:
    """Arm for the length of a block, then disarm everything."""
    arm(text)
    try:
        yield
    finally:
        _armed.clear()


@contextmanager
def calling(name: str, call: Callable[[], object], *, each_time: bool = False) -> Generator[None]:
    """Have something called at a place the first time that it is passed within a block, or `each_time`."""

    def called() -> object:
        if each_time:
            _armed[name] = (1, called)
        return call()

    _armed[name] = (1, called)
    try:
        yield
    finally:
        _armed.pop(name, None)


def hit(name: str) -> object:
    """Pass the place called `name`; what was called there has given this."""
    if not _armed or name not in _armed:
        return None
    count, action = _armed[name]
    if count > 1:
        _armed[name] = (count - 1, action)
        return None
    del _armed[name]
    if not isinstance(action, str):
        return action()
    if action == "raise":
        raise InjectedFault(name)
    os.kill(os.getpid(), _SIGNALS[action])
    return None


async def passing(name: str) -> None:
    """`hit`, at a place where what is called may take its time."""
    outcome = hit(name)
    if isinstance(outcome, Awaitable):
        await outcome
