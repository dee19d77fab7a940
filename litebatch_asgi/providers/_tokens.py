"""Access tokens that are renewed before they end, off the event loop and one at a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import anyio

from litebatch_asgi.errors import DeploymentRefused
from litebatch_asgi.threads import in_thread

SPARE_SECONDS = 10.0
"""so long before its end a token that cannot be renewed is not used any more"""


class KeptToken:
    """The token that `fetch` gives, with the time at which it ends, in Unix seconds.

    `fetch` is called in a thread, at first use and `renew_seconds` before the end; it raises
    `DeploymentRefused` if there is none to be had, and is never called twice at once, also if whoever waits
    for it is cancelled.
    """

    def __init__(self, fetch: Callable[[], tuple[str, float]], *, renew_seconds: float) -> None:
        self._fetch = fetch
        self._renew_seconds = renew_seconds
        self._value = ""
        self._ends_at = 0.0
        self._turn = anyio.Lock()
        self._fetching = threading.Lock()

    async def value(self) -> str:
        """A token that is good for some minutes. Raises `DeploymentRefused` if there is none to be had."""
        async with self._turn:
            if not self._lasts(self._renew_seconds):
                try:
                    await in_thread(self._renew)
                except DeploymentRefused:
                    if not self._lasts(SPARE_SECONDS):
                        raise
            return self._value

    def drop(self, token: str) -> None:
        """Use this token no longer; another one that has come in the meantime stays."""
        if token == self._value:
            self._ends_at = 0.0

    def _lasts(self, seconds: float) -> bool:
        return time.time() < self._ends_at - seconds

    def _renew(self) -> None:
        with self._fetching:
            if not self._lasts(self._renew_seconds):
                self._value, self._ends_at = self._fetch()
