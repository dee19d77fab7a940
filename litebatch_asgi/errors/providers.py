"""What a deployment answered, by what the answer means."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Self

from litebatch_asgi.errors.base import LiteBatchError
from litebatch_asgi.errors.requests import Problem

SHORTEST_RETRY_SECONDS = 1.0
LONGEST_RETRY_SECONDS = 3_600.0


class ProviderError(LiteBatchError):
    """What a deployment's answer means for the call that was made.

    The message may quote the provider: it is for logs, never for clients. `retry_after`: seconds after which
    the provider asks to be tried again; less than a second counts as one, more than an hour as one, and what
    is no number as nothing said.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        param: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.code = code
        self.param = param
        self.retry_after: float | None = bounded_wait(retry_after)


def bounded_wait(seconds: float | None) -> float | None:
    """How long we wait where another server asks for so long.

    It must neither have us call it without pause nor keep us away for days.
    """
    if seconds is None or math.isnan(seconds):
        return None
    return float(min(max(seconds, SHORTEST_RETRY_SECONDS), LONGEST_RETRY_SECONDS))


class DeploymentRefused(ProviderError):
    """Clear refusal (401, 403, a deployment's own 404, 429, quota): nothing was done there."""


class CopyRefused(DeploymentRefused):
    """The deployment cannot use its copy of the input file: it is gone, or not ready yet."""


class CopyDiffers(DeploymentRefused):
    """What a deployment has of a file is not what was uploaded. The message is ours and fit for clients."""


class ContentRefused(ProviderError):
    """Any other 4xx: nothing was done, and no other deployment would take it."""


class CannotTake(ContentRefused):
    """The deployment's provider has no way to be asked for these lines: found out before it was called.

    Others may take them. The message and `problems` are ours and fit for clients.
    """

    problems: tuple[Problem, ...] = ()

    @classmethod
    def because(cls, problems: Sequence[Problem]) -> Self:
        """What is raised for these problems, of which there is one at least."""
        first = problems[0]
        more = f" ({len(problems)} problems in all)" if len(problems) > 1 else ""
        error = cls(f"{first.told}{more}", code=first.code, param=first.param)
        error.problems = tuple(problems)
        return error


class ProviderNotFound(ProviderError):
    """The file or batch that was named is not (or no longer) there."""


class ProviderBusy(ProviderError):
    """500 or 503: refusal only once a complete listing shows that nothing was done."""


class NoClearAnswer(ProviderError):
    """Time-out, cut connection, 408, 502, 504: whether the work was done is open."""


class ServerAway(ProviderError):
    """No connection was made for a live request: refused, unknown host, TLS, too slow. Nothing was sent."""


class NoAnswer(ProviderError):
    """A live request was sent, or a part of it, and no whole answer came."""

    def __init__(self, message: str, *, was_silent: bool = False) -> None:
        super().__init__(message)
        self.was_silent: bool = was_silent
        """whether its time-out ended it, and not a cut of the connection"""


class AnswerTooLarge(ProviderError):
    """The answer to a live request has more bytes than one may have."""
