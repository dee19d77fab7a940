"""How often somebody may try to sign in.

Nobody is to guess keys here, and nobody is to keep others out by guessing:

- An address (of IPv6: a /64 network) has `MOST_OF_ONE` attempts that fail within `WINDOW_SECONDS`.
- Once `MOST_OF_ALL` have failed from everywhere, an address has `FEW` alone. It is never none: whoever comes
  from elsewhere can always sign in.
- A browser that has signed in before has as many attempts of its own: of its owner, whatever comes from the
  same address. So who shares a proxy's address with somebody who guesses comes in again.
"""

from __future__ import annotations

import ipaddress
import logging
import math
from collections import OrderedDict, deque
from collections.abc import Callable
from operator import itemgetter

from litebatch_asgi.errors import RateLimited

logger: logging.Logger = logging.getLogger("litebatch_asgi.page")

MOST_OF_ONE = 10
MOST_OF_ALL = 300
FEW = 3
WINDOW_SECONDS = 300.0
_MOST_REMEMBERED = 4096


class Attempts:
    """Counts attempts, of this process; `clock` counts seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._by_whom: OrderedDict[str, deque[float]] = OrderedDict()
        self._all = deque[float](maxlen=MOST_OF_ALL)
        self._warned_at = -math.inf

    def __len__(self) -> int:
        """How many clients and owners are remembered."""
        return len(self._by_whom)

    def begin(self, address: str, owner: str | None = None) -> str:
        """Count an attempt, before it is known whether it fails: those count that are made at the same time.

        `owner`: who has signed in with the browser before. Returns who has made it, for `succeeded`. Raises
        `RateLimited` where there were too many.
        """
        now = self._clock()
        _forget(self._all, now)
        at_address = MOST_OF_ONE if len(self._all) < MOST_OF_ALL else FEW
        allowed = {f"at {_network(address)}": at_address}
        if owner is not None:
            allowed = {f"by {owner}": MOST_OF_ONE, **allowed}
        waits = {who: self._wait(who, most, now) for who, most in allowed.items()}
        who, seconds = min(waits.items(), key=itemgetter(1))
        if seconds > 0:
            self._warn(address, now)
            raise _refused(seconds)
        self._remember(who, now)
        return who

    def succeeded(self, who: str) -> None:
        """It did not fail, or nothing could be tried: it does not count."""
        for times in (self._by_whom.get(who), self._all):
            if times:
                times.pop()

    def _wait(self, who: str, most: int, now: float) -> float:
        """Seconds until there is room for one more; 0: there is."""
        times = self._by_whom.get(who, deque[float]())
        _forget(times, now)
        return times[len(times) - most] + WINDOW_SECONDS - now if len(times) >= most else 0.0

    def _remember(self, who: str, now: float) -> None:
        self._by_whom.setdefault(who, deque()).append(now)
        self._by_whom.move_to_end(who)
        self._all.append(now)
        if len(self._by_whom) > _MOST_REMEMBERED:
            self._by_whom.popitem(last=False)

    def _warn(self, address: str, now: float) -> None:
        if now - self._warned_at < WINDOW_SECONDS:
            return
        self._warned_at = now
        logger.warning(
            "too many wrong keys came from %s: attempts to sign in to the page from there are refused for up "
            "to %d seconds. If that is a proxy of yours, have it send `X-Forwarded-For`, and let the server "
            "trust it: others who come through it are then not taken for the same",
            address or "a client without an address",
            WINDOW_SECONDS,
        )


def _refused(seconds: float) -> RateLimited:
    refused = RateLimited(
        "Too many attempts to sign in from where you are have failed. "
        f"Try again in {math.ceil(seconds)} seconds."
    )
    refused.retry_after = seconds
    return refused


def _forget(times: deque[float], now: float) -> None:
    while times and times[0] <= now - WINDOW_SECONDS:
        times.popleft()


def _network(address: str) -> str:
    """What one client has: of IPv6 that is a network of 2**64 addresses."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv4Address):
        return address
    return str(ip.ipv4_mapped or ipaddress.ip_network((ip, 64), strict=False))
