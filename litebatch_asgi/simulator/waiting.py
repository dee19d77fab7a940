"""Waiting that ends when the client goes away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from starlette.requests import ClientDisconnect
from starlette.types import Receive

T = TypeVar("T")


async def pass_or_leave(seconds: float, receive: Receive) -> None:
    """Let `seconds` pass; `receive` is that of a request whose body was read. Raises ClientDisconnect."""
    try:
        async with asyncio.timeout(seconds):
            await left(receive)
    except TimeoutError:
        return
    raise ClientDisconnect


async def unless_left(work: Awaitable[T], receive: Receive) -> T:
    """What comes of `work`, which is cancelled when the client goes away first. Raises ClientDisconnect."""
    working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(left(receive))
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise ClientDisconnect
    finally:
        for each in (working, leaving):
            each.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def left(receive: Receive) -> None:
    """Return once the client is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
