"""What callers are told of a provider's answer."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from litebatch_asgi.errors import (
    ConfigError,
    Conflict,
    ContentRefused,
    CopyRefused,
    InvalidRequest,
    NoClearAnswer,
    NotFound,
    PermissionDenied,
    ProviderBusy,
    ProviderError,
    ProviderNotFound,
    RateLimited,
    RequestError,
    Unauthenticated,
    Unavailable,
)
from litebatch_asgi.refusals import Refusal, kind_of


class NoAnswer(Unavailable):
    """503: whether the provider has done what it was asked for is open."""

    code: str | None = "no_clear_answer"


@contextmanager
def told_to_caller(*, creates: str | None = None) -> Generator[None]:
    """Raise what a caller is told in place of errors of the provider and of settings.

    `creates`: what the call makes, such as `batch`; it may be there in spite of an error.
    """
    try:
        yield
    except ConfigError as exc:
        raise InvalidRequest(str(exc)) from exc
    except ProviderError as exc:
        raise caller_error(exc, creates=creates) from exc


def caller_error(error: ProviderError, *, creates: str | None = None) -> RequestError:
    """What a provider's answer means for the caller; its words go along."""
    told = _told(error, creates)
    told.status = error.status or told.status
    told.retry_after = error.retry_after or told.retry_after
    return told


def _told(error: ProviderError, creates: str | None) -> RequestError:
    words = error.message.rstrip(".")
    if isinstance(error, ProviderNotFound):
        return NotFound(f"{words}. Check the id, and that it is of this provider and this account.")
    if isinstance(error, NoClearAnswer):
        look = f" The {creates} may be there: look for it in a list before you create it again."
        advice = " Try again." if creates is None else look
        return NoAnswer(f"{words}.{advice}", code=error.code)
    if isinstance(error, ContentRefused | CopyRefused):
        kind = Conflict if error.status == 409 else InvalidRequest
        return kind(f"{words}.", param=error.param, code=error.code)
    if isinstance(error, ProviderBusy):
        look = f", unless the {creates} is in a list already" if creates is not None else ""
        return Unavailable(f"{words}. Try again later{look}.", code=error.code)
    return _refusal(error, words)


def _refusal(error: ProviderError, words: str) -> RequestError:
    if error.status == 401:
        message = f"{words}. Check `api_key`, or the variable of the environment that it comes from."
        return Unauthenticated(message, code=error.code)
    if error.status == 403:
        return PermissionDenied(f"{words}. Check what the key may do.", code=error.code)
    match kind_of(error):
        case Refusal.BUSY:
            return RateLimited(f"{words}. Try again later.", param=error.param, code=error.code)
        case Refusal.UNREACHABLE:
            message = f"{words}. Nothing was done. Check `api_base` and the network, and try again."
            return Unavailable(message, code=error.code or "provider_unreachable")
        case _:
            return InvalidRequest(f"{words}. Check `api_base`.", param=error.param, code=error.code)
