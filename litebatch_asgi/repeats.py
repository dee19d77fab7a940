"""Creates that come again: what they are known by, and waiting for the first one."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Generic, NamedTuple, TypeVar

import anyio
import msgspec
from msgspec.structs import replace

from litebatch_asgi.errors import RequestUnderWay, Unavailable
from litebatch_asgi.models import CreateRequest, Principal

T = TypeVar("T")

SENDING_SECONDS = 5.0
"""How long an answer may take from when it is known until it is sent."""
_FIRST_REST_SECONDS = 0.1
_LONGEST_REST_SECONDS = 1.0
"""between two looks, each of which is a transaction that writes"""


class Made(NamedTuple, Generic[T]):
    """What a create has led to."""

    object: T
    is_repeated: bool
    """whether an earlier request like it had made the object"""


def fingerprint(kind: str, principal: Principal, *parameters: object) -> str:
    """Equal for requests of one caller that ask for the same."""
    described = msgspec.json.encode((kind, principal.owner, parameters), order="sorted")
    return hashlib.sha256(described).hexdigest()


async def once(
    request: CreateRequest,
    create: Callable[[CreateRequest], Awaitable[T]],
    *,
    now: Callable[[], datetime],
    patience_seconds: float,
) -> T:
    """What `create` makes, or finds: the outcome of an equal request that is under way is waited for.

    Raises `Unavailable` when it is not known after `patience_seconds`.
    """
    deadline = anyio.current_time() + patience_seconds
    rest = _FIRST_REST_SECONDS
    while True:
        try:
            return await create(request)
        except RequestUnderWay as error:
            if anyio.current_time() >= deadline:
                raise Unavailable("The same request is still being worked on. Try again later.") from error
        await anyio.sleep(rest)
        rest = min(2 * rest, _LONGEST_REST_SECONDS)
        request = replace(request, at=now())
