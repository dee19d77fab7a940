"""The addresses of a name, asked for anew for each webhook."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, zip_longest
from typing import Protocol

LOOKUPS = 32
"""names that may be looked up at once: a server of names that hangs holds a thread for half a minute"""


class Resolver(Protocol):
    """Looks names up."""

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """The addresses of `host`, those to be tried first in front. Raises `OSError` if there are none."""
        ...


class SystemResolver:
    """Asks the system, in threads that are there for nothing else: a lookup cannot be interrupted."""

    def __init__(self, threads: ThreadPoolExecutor) -> None:
        self._threads = threads

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """See `Resolver`."""
        return await asyncio.wrap_future(self._threads.submit(_addresses, host, port))


def _addresses(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:  # of a label that is too long
        raise OSError(str(error)) from error
    return list(dict.fromkeys(str(each[4][0]) for each in found))


def to_try(addresses: Iterable[str], most: int) -> list[str]:
    """At most so many of them, in turn of IPv6 and IPv4: a host may have a way to one kind alone."""
    kinds: dict[bool, list[str]] = {}
    for address in addresses:
        kinds.setdefault(":" in address, []).append(address)
    in_turn = chain.from_iterable(zip_longest(*kinds.values()))
    return [address for address in in_turn if address is not None][:most]
