"""The seam to the host's authentication."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Mapping
from types import MappingProxyType
from typing import Protocol, TypeGuard, cast

from starlette.authentication import AuthenticationError
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from litebatch_asgi.errors import (
    NoAuthenticator,
    PermissionDenied,
    RateLimited,
    RequestError,
    Unauthenticated,
    Unavailable,
)
from litebatch_asgi.models import Principal
from litebatch_asgi.models.texts import is_plain

logger: logging.Logger = logging.getLogger(__name__)

_REFUSALS: Mapping[int, type[RequestError]] = MappingProxyType(
    {401: Unauthenticated, 403: PermissionDenied, 429: RateLimited}
)


class Authenticator(Protocol):
    """Says who is calling: an async callable, or a plain one. `litebatch_asgi.authenticators` has some.

    It is called once a request, in the request's own task, so that it sees the host's context variables. A
    plain one runs on the event loop and so must not wait for anything.
    """

    def __call__(self, connection: HTTPConnection, /) -> Awaitable[Principal | None] | Principal | None:
        """The caller; None: unknown, which is answered by 401.

        A `RequestError` and Starlette's `HTTPException` of 400 to 499 are answered as they say, Starlette's
        `AuthenticationError` by 401. Anything else that it raises or returns is logged and answered by 503.
        """
        ...


async def without_authenticator(connection: HTTPConnection, /) -> Principal | None:
    """Lets nobody in: what stands where a host has given no authenticator. Raises `NoAuthenticator`."""
    raise NoAuthenticator


async def identify(authenticator: Authenticator, connection: HTTPConnection) -> Principal | None:
    """Who is calling, or None. Raises nothing but `RequestError`s, as told at `Authenticator`."""
    try:
        answer: object = authenticator(connection)
        if inspect.isawaitable(answer):
            answer = await answer
    except RequestError:
        raise
    except Exception as error:
        raise _refusal(error) from error
    if not _is_answer(answer):
        logger.error(
            "the authenticator returned %s: it must return a litebatch_asgi.Principal, or None for a caller "
            "that it does not know",
            _described(answer),
        )
        raise _nobody()
    return answer


def _is_answer(answer: object) -> TypeGuard[Principal | None]:
    """Whether it is None or a principal whose fields are what they are declared to be.

    Nothing checks them when the principal is made, and a wrong one would be found out deep in the storage.
    """
    if not isinstance(answer, Principal):
        return answer is None
    owner, key_id, models = cast(
        "tuple[object, object, object]", (answer.owner, answer.key_id, answer.models)
    )
    return (
        isinstance(owner, str)
        and is_plain(owner)
        and bool(owner)
        and (key_id is None or (isinstance(key_id, str) and is_plain(key_id)))
        and (models is None or isinstance(models, frozenset))
    )


def _described(answer: object) -> str:
    """What it was, without what it holds: that may be a credential."""
    if isinstance(answer, Principal):
        return "a Principal whose owner or key_id has control characters, or whose models are no frozenset"
    return f"an instance of {type(answer).__qualname__}"


def _refusal(error: Exception) -> RequestError:
    """What the caller is told of what an authenticator raised."""
    if isinstance(error, AuthenticationError):
        return Unauthenticated(str(error) or "The credentials are not valid.")
    if not isinstance(error, HTTPException) or not 400 <= error.status_code < 500:
        logger.error("the authenticator failed", exc_info=error)
        return _nobody()
    refusal = _REFUSALS.get(error.status_code, RequestError)(str(error.detail))
    refusal.status = error.status_code
    seconds = Headers(error.headers).get("retry-after", "")
    if seconds.isdecimal():
        refusal.retry_after = float(seconds)
    return refusal


def _nobody() -> Unavailable:
    return Unavailable("Nobody can be authenticated at the moment, try again later.")
