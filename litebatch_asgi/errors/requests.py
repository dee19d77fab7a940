"""What a caller is told; the HTTP routes translate these alone."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from litebatch_asgi.errors.base import LiteBatchError


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing wrong with one line of an input file, in the words of OpenAI's batch validation.

    Source: the `errors.data` entries of OpenAI's Batch object.
    """

    code: str
    """such as `invalid_json_line`, `duplicate_custom_id`"""
    line: int | None
    """counted from 1, as the provider does; None when the file as a whole is meant"""
    param: str | None
    """the key that is meant, such as `body.model`"""
    message: str

    @property
    def told(self) -> str:
        """In one sentence, with the line."""
        return f"Line {self.line}: {self.message}" if self.line is not None else self.message


class RequestError(LiteBatchError):
    """What a caller is told. Each class knows its HTTP status and OpenAI's `type` and `code` for it."""

    status: int = 500
    type: str = "invalid_request_error"
    code: str | None = None
    retry: bool | None = None
    """What `x-should-retry` says to the stock clients; None leaves it to their own rules."""
    retry_after: float | None = None
    """Seconds after which another try makes sense."""

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        if code is not None:
            self.code = code

    @property
    def status_code(self) -> int:
        """The HTTP status, under the name that the stock client's errors have for it."""
        return self.status


class InvalidRequest(RequestError):
    """400: a field of the request is missing, of the wrong type or has a value that cannot be."""

    status = 400


class InvalidFile(InvalidRequest):
    """400: lines of an uploaded file are wrong. `problems` holds all that were found, the first one first."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        first = problems[0]
        rest = f" ({len(problems)} problems in all, see `errors`.)" if len(problems) > 1 else ""
        super().__init__(f"{first.told}{rest}", param=first.param, code=first.code)
        self.problems: tuple[Problem, ...] = tuple(problems)


class AboveLimit(InvalidRequest):
    """400: more than a limit of the caller's key, user or team ever allows. `param` names the limit."""

    code: str | None = "limit_exceeded"
    retry: bool | None = False

    def __init__(self, name: str, scope: str, *, limit: int, asked: int) -> None:
        super().__init__(
            f"{name} of {scope} is {limit}: {asked} asked for, which can never pass. Ask for less, or have "
            "the limit raised.",
            param=name,
        )


class Unauthenticated(RequestError):
    """401: no key, or one that is not valid here."""

    status = 401
    type = "authentication_error"
    code: str | None = "invalid_api_key"


class PermissionDenied(RequestError):
    """403: the caller is known and may not do this."""

    status = 403
    type = "permission_error"
    code: str | None = "permission_denied"


class ModelAccessDenied(PermissionDenied):
    """403: the caller may not use this model."""

    code: str | None = "model_access_denied"

    def __init__(self, message: str, *, param: str | None = "model", code: str | None = None) -> None:
        super().__init__(message, param=param, code=code)


class NotFound(RequestError):
    """404: not there, deleted, expired or somebody else's; nothing tells these apart."""

    status = 404


class MethodNotAllowed(RequestError):
    """405: the path is right, the method is not."""

    status = 405


class RequestTimeout(RequestError):
    """408: the rest of the request did not come. The stock clients try again by themselves."""

    status = 408
    code: str | None = "request_timeout"


class Conflict(RequestError):
    """409: a conflict that will not go away by itself."""

    status = 409
    retry: bool | None = False


class DeploymentGone(Conflict):
    """409: the object lives on a deployment that the configuration no longer has."""

    code: str | None = "deployment_gone"


class StoreGone(Conflict):
    """409: the bytes are in a content store that the configuration no longer has."""

    code: str | None = "store_gone"


class FileTooLarge(RequestError):
    """413: more bytes than `max_file_bytes`."""

    status = 413
    code: str | None = "file_too_large"
    retry: bool | None = False


class KeyReused(RequestError):
    """422: the `Idempotency-Key` was sent with another request before."""

    status = 422
    code: str | None = "idempotency_key_in_use"
    retry: bool | None = False


NO_USE_SECONDS = 3600.0
"""`retry_after` where somebody has to do something first, for those who wait whatever they are told"""


class RateLimited(RequestError):
    """429: too much at once; the same request may pass after `retry_after` seconds."""

    status = 429
    type = "rate_limit_error"
    code: str | None = "rate_limit_exceeded"
    retry_after: float | None = 1.0


class SpoolFull(RateLimited):
    """429: the disk space for uploads is in use."""

    code: str | None = "spool_full"
    retry_after: float | None = 10.0


class UploadsFull(RateLimited):
    """429: the space for the parts of uploads that have not ended is in use."""

    code: str | None = "uploads_full"
    retry_after: float | None = 30.0


class DeploymentsBusy(RateLimited):
    """429: every deployment of the model asks to wait, `retry_after` seconds at least."""

    code: str | None = "deployments_busy"

    def __init__(self, message: str, *, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after: float | None = retry_after


class LimitExceeded(RateLimited):
    """429: a limit of the caller's key, user or team, which had room for it if less was in use.

    `param` names the limit, `scope` says whose it is. Where the caller has to do something to make room,
    which `advice` says, clients are told not to try again by themselves.
    """

    code: str | None = "limit_exceeded"
    retry_after: float | None = 30.0

    def __init__(
        self, name: str, scope: str, *, limit: int, used: int, asked: int, advice: str | None = None
    ) -> None:
        room = max(0, limit - used)
        told = f"{name} of {scope} is {limit}: {used} in use, {asked} asked for, {room} would fit now."
        super().__init__(told if advice is None else f"{told} {advice}", param=name)
        if advice is not None:
            self.retry: bool | None = False
            self.retry_after: float | None = NO_USE_SECONDS


class InternalError(RequestError):
    """500: a defect of ours. The log has it under the request id."""

    type = "server_error"
    code: str | None = "internal_error"


class Unavailable(RequestError):
    """503: not now; the same request may pass after `retry_after` seconds."""

    status = 503
    type = "server_error"
    code: str | None = "service_unavailable"
    retry_after: float | None = 5.0


class NotTaken(Unavailable):
    """503: no deployment of the model took a file; `code` says what kind of refusal it was.

    `retry`: False where trying again is of no use before somebody has done something.
    """

    code: str | None = "no_deployment_took_file"

    def __init__(
        self, message: str, *, code: str | None = None, retry: bool | None = None, retry_after: float
    ) -> None:
        super().__init__(message, code=code)
        self.retry: bool | None = retry
        self.retry_after: float | None = retry_after


class StorageUnavailable(Unavailable):
    """503: the database does not answer."""

    code: str | None = "storage_unavailable"


class StoreUnavailable(Unavailable):
    """503: a content store does not do what it is asked for at the moment."""

    code: str | None = "store_unavailable"


class ContentMissing(StoreUnavailable):
    """503: a content store has nothing under a key: an operator has to look what became of it."""


class NoAuthenticator(Unavailable):
    """503: the host has made LiteBatch for calls in process alone, and a request has come."""

    code: str | None = "no_authenticator"
    retry: bool | None = False

    def __init__(
        self,
        message: str = (
            "LiteBatch was made without an authenticator, for calls in process alone: give "
            "LiteBatch(authenticator=...) a function that says who is calling, and it answers over HTTP."
        ),
        *,
        param: str | None = None,
        code: str | None = None,
    ) -> None:
        super().__init__(message, param=param, code=code)


class LifespanNotEntered(Unavailable):
    """503: the host has mounted LiteBatch but never entered its lifespan."""

    code: str | None = "lifespan_not_entered"
    retry: bool | None = False

    def __init__(
        self,
        message: str = (
            "LiteBatch is mounted but not running: enter its lifespan, with "
            "FastAPI(lifespan=litebatch.lifespan), or with `async with litebatch.lifespan(app):` inside "
            "the lifespan that the app has."
        ),
        *,
        param: str | None = None,
        code: str | None = None,
    ) -> None:
        super().__init__(message, param=param, code=code)
