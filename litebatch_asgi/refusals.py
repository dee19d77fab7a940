"""What kind of refusal a provider's answer is: for clients, for operators and for the log. Pure."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from enum import StrEnum

from litebatch_asgi.causes import MODEL_CODE
from litebatch_asgi.errors import (
    CopyDiffers,
    CopyRefused,
    DeploymentRefused,
    NoClearAnswer,
    ProviderBusy,
    ProviderError,
)

_OF_THE_ADDRESS = frozenset({301, 307, 308, 402, 404, 405, 407, 410})
"""What a deployment refuses with for other reasons than its quota."""
_TOKEN_LIMIT = re.compile(
    r"enqueued token limit [^\n]{0,300}?limit: (?P<openai>[\d,_]{1,30}) enqueued tokens"
    r"|enqueued tokens has surpassed the configured limit of (?P<azure>[\d.,]{1,30} ?[kmb]?)\b",
    re.IGNORECASE,
)
_UNITS = {"k": 1_000, "m": 1_000_000, "b": 1_000_000_000}
_NO_ROOM_FOR_FILES = frozenset({"quotaexceeded", "quota_exceeded"})


class Refusal(StrEnum):
    """Why a deployment did not take something, by what helps against it."""

    KEY = "key_rejected"
    """the provider does not accept the key: the operator has to put it right"""
    BUSY = "busy"
    """it asks to wait, or has no room now"""
    UNREACHABLE = "unreachable"
    """it cannot be reached, does not answer, or answers with an error of its own"""
    FULL = "full"
    """its account holds as many files as it may"""
    COPY = "copy_unusable"
    """it cannot use the copy that it has of the file"""
    VANISHED = "batches_vanished"
    """it does not know several batches any more that it had: its key may be of another project now"""
    FAILS = "jobs_fail"
    """it takes batches and fails them, as one does that may not read its files"""
    OTHER = "refused"
    """it answers something else, such as 404 for an address that is wrong"""


def kind_of(error: ProviderError) -> Refusal:
    """What kind of refusal an error is that is not about the content."""
    if isinstance(error, CopyDiffers | CopyRefused):
        return Refusal.COPY
    if isinstance(error, ProviderBusy | NoClearAnswer) or error.status is None:
        return Refusal.UNREACHABLE
    if error.status in (401, 403):
        return Refusal.KEY
    is_quota = isinstance(error, DeploymentRefused) and error.status not in _OF_THE_ADDRESS
    return Refusal.BUSY if is_quota else Refusal.OTHER


def may_be_about_model(error: ProviderError) -> bool:
    """Whether a deployment may have refused for the model alone, which it does not know."""
    return (error.code or "").lower() == MODEL_CODE or error.status == 404


def words_for(kind: Refusal, status: int | None) -> str:
    """What a deployment did, to go on after its name."""
    told = "" if status is None else f" ({status})"
    match kind:
        case Refusal.KEY:
            return f"does not accept the gateway's key{told}"
        case Refusal.BUSY:
            return f"asks to wait{told}"
        case Refusal.FULL:
            return f"holds as many files as it may, which is no limit of your key{told}"
        case Refusal.COPY:
            return "cannot use its copy of the file"
        case Refusal.UNREACHABLE:
            return "cannot be reached or does not answer" if status is None else f"answered {status}"
        case Refusal.VANISHED:
            return "does not know several batches any more that it had, as if its key were of another project"
        case Refusal.FAILS:
            return "fails the batches that it has taken"
        case Refusal.OTHER:
            return f"answered {status}"


def has_no_room(error: ProviderError) -> bool:
    """Whether a deployment refuses a file because it holds as many as it may.

    Source: Azure's `quotaExceeded`, told with status 400.
    """
    return error.status != 429 and (error.code or "").lower() in _NO_ROOM_FOR_FILES


def token_limit_in(said: str) -> int | None:
    """How many tokens a deployment takes at once, where its refusal names that; None: it does not.

    Source: OpenAI's `Enqueued token limit reached for MODEL in organization ORG. Limit: N enqueued tokens`,
    and Azure's `The number of enqueued tokens has surpassed the configured limit of 30K for the deployment`.
    """
    found = _TOKEN_LIMIT.search(said)
    if found is None:
        return None
    written = (found["openai"] or found["azure"]).lower().replace(",", "").replace("_", "").replace(" ", "")
    unit = _UNITS.get(written[-1:], 1)
    digits = written.rstrip("kmb.")
    try:
        tokens = int(Decimal(digits) * unit)
    except InvalidOperation:
        return None
    return tokens if tokens > 0 else None
