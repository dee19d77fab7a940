"""Access tokens that are renewed before they end, off the event loop and one at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future

import anyio

from litebatch_asgi.errors import DeploymentRefused
from litebatch_asgi.threads import begun_in_daemon_thread

SPARE_SECONDS = 10.0
"""so long before its end a token that cannot be renewed is not used any more"""


class KeptToken:
    """The token that `fetch` gives, with the time at which it ends, in Unix seconds.

    `fetch` is called in a thread, at first use and `renew_seconds` before the end; it raises
    `DeploymentRefused` if there is none to be had, and is never called twice at once, also if whoever waits
    for it is cancelled. Nobody waits longer than `give_up_seconds`, however long it goes on, and the end of
    the process does not wait for it.
    """

    def __init__(
        self, fetch: Callable[[], tuple[str, float]], *, renew_seconds: float, give_up_seconds: float
    ) -> None:
        self._fetch = fetch
        self._renew_seconds = renew_seconds
        self._give_up_seconds = give_up_seconds
        self._value = ""
        self._ends_at = 0.0
        self._renewal: Future[None] | None = None

    async def value(self) -> str:
        """A token that is good for some minutes. Raises `DeploymentRefused` if there is none to be had."""
        if not self._lasts(self._renew_seconds):
            try:
                await self._renewed()
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

    async def _renewed(self) -> None:
        """Wait for a new token, together with all who do."""
        if self._renewal is None or self._renewal.done():
            self._renewal = begun_in_daemon_thread(self._renew)
        with anyio.move_on_after(self._give_up_seconds):
            return await asyncio.wrap_future(self._renewal)
        raise DeploymentRefused(f"no access token came within {self._give_up_seconds:g} s")

    def _renew(self) -> None:
        self._value, self._ends_at = self._fetch()
