"""Why no deployment took a file: for its owner without names and a provider's own words, and for the log."""

from __future__ import annotations

from collections.abc import Mapping

from litebatch_asgi.errors import (
    ContentRefused,
    CopyDiffers,
    DeploymentsBusy,
    LiteBatchError,
    NotTaken,
    ProviderError,
)
from litebatch_asgi.refusals import Refusal, has_no_room, kind_of, words_for

WAIT_SECONDS = 10.0
"""when to try again where no deployment says"""
LONG_WAIT_SECONDS = 60.0
"""when to look again at what an operator has to put right"""

_ASK_OPERATOR = "Trying again does not help before the gateway's operator has put that right."
_CODES = {
    Refusal.KEY: "provider_key_rejected",
    Refusal.FULL: "deployments_full",
    Refusal.UNREACHABLE: "deployments_unreachable",
}
_ADVICE: dict[Refusal | None, str] = {
    Refusal.KEY: _ASK_OPERATOR,
    Refusal.FULL: "Trying again helps once files there have expired or were deleted.",
    Refusal.OTHER: _ASK_OPERATOR,
}


def not_taken(errors: Mapping[str, LiteBatchError]) -> NotTaken | DeploymentsBusy:
    """What a client is told when every deployment, by its id, refused the file or did not answer.

    Where they had different reasons the one counts that goes away by itself.
    """
    kinds = {_kind(error) for error in errors.values()}
    reasons = "; ".join(dict.fromkeys(_reason(errors[where]) for where in sorted(errors)))
    told = f"No deployment of this model took the file: {reasons}."
    kind = kinds.pop() if len(kinds) == 1 else None
    if kind in _ADVICE or (kinds and kinds <= _ADVICE.keys()):
        advice = _ADVICE[kind or Refusal.OTHER]
        code = _CODES.get(kind) if kind else None
        return NotTaken(f"{told} {advice}", code=code, retry=False, retry_after=LONG_WAIT_SECONDS)
    wait = _wait(errors)
    told = f"{told} Try the upload again in {wait:.0f} s."
    if kind is Refusal.BUSY:
        return DeploymentsBusy(told, retry_after=wait)
    return NotTaken(told, code=_CODES.get(kind) if kind else None, retry_after=wait)


def by_deployment(errors: Mapping[str, LiteBatchError]) -> str:
    """The same for the log: each deployment with what it answered."""
    return "; ".join(f"{where}: {error}{_status(error)}" for where, error in sorted(errors.items()))


def _status(error: LiteBatchError) -> str:
    """The status that the message does not tell, for it is the provider's words alone."""
    return f" ({error.status})" if isinstance(error, ContentRefused) and error.status else ""


def _wait(errors: Mapping[str, LiteBatchError]) -> float:
    """Seconds until the first of them may take it."""
    asked = [error.retry_after for error in errors.values() if isinstance(error, ProviderError)]
    return min((seconds for seconds in asked if seconds is not None), default=WAIT_SECONDS)


def _kind(error: LiteBatchError) -> Refusal | None:
    if not isinstance(error, ProviderError):
        return None
    return Refusal.FULL if has_no_room(error) else kind_of(error)


def _reason(error: LiteBatchError) -> str:
    if isinstance(error, CopyDiffers):
        return error.message
    kind = _kind(error)
    if kind is None or not isinstance(error, ProviderError):
        return "the gateway could not go on"
    return f"the deployment {words_for(kind, error.status)}"
