"""The addresses of a name, asked for anew for each webhook."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, zip_longest
from typing import Protocol

LOOKUPS = 128
"""names that may be looked up at once: a server of names that hangs holds a thread for half a minute"""


class Resolver(Protocol):
    """Looks names up."""

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """The addresses of `host`, those to be tried first in front. Raises `OSError` if there are none."""
        ...


class SystemResolver:
    """Asks the system, in threads that are there for nothing else: a lookup cannot be interrupted.

    Whoever asks for a name while it is looked up waits for the same answer: one that hangs holds one thread.
    """

    def __init__(self, threads: ThreadPoolExecutor) -> None:
        self._threads = threads
        self._under_way: dict[tuple[str, int], Future[list[str]]] = {}

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """See `Resolver`."""
        asked = host, port
        lookup = self._under_way.get(asked)
        if lookup is None or lookup.done():
            lookup = self._under_way[asked] = self._threads.submit(_addresses, host, port)
            lookup.add_done_callback(lambda done: self._forget(asked, done))
        return await asyncio.shield(asyncio.wrap_future(lookup))  # others may wait for it as well

    def _forget(self, asked: tuple[str, int], done: Future[list[str]]) -> None:
        """In the thread, once it is done."""
        if self._under_way.get(asked) is done:
            self._under_way.pop(asked, None)


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
