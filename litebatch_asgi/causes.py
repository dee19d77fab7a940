"""Why a provider refuses or fails a batch, told from what it says. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum

from litebatch_asgi.models import BatchError
from litebatch_asgi.models.provider import LONGEST_MESSAGE

_ROOM_CODES = frozenset(
    {
        "billing_hard_limit_reached",
        "insufficient_quota",
        "quota_exceeded",
        "quotaexceeded",
        "rate_limit_exceeded",
        "token_limit_exceeded",
    }
)
_ROOM_TEXT = re.compile(
    r"token_limit_exceeded|insufficient_quota|enqueued token limit|enqueued tokens has surpassed"
    r"|credit balance is too low",
    re.IGNORECASE,
)
MODEL_CODE = "model_not_found"
_IMPORT_CODE = "INVALID_ARGUMENT"
_GOOGLES_ROOM_CODE = "RESOURCE_EXHAUSTED"
_GOOGLES_CODES = frozenset(
    {
        "ABORTED",
        "DATA_LOSS",
        "DEADLINE_EXCEEDED",
        "FAILED_PRECONDITION",
        "INTERNAL",
        "NOT_FOUND",
        "PERMISSION_DENIED",
        "UNAUTHENTICATED",
        "UNAVAILABLE",
        "UNIMPLEMENTED",
        "UNKNOWN",
    }
)
"""names of google.rpc.Code with which a job of Vertex AI fails that its content has no part in"""
_FILE_TEXT = re.compile(
    r"(cannot|could not|can't) find (the )?(input )?file"
    r"|no such (input )?file"
    r"|input file [^\n]{0,200}?(not found|does not exist)"
    r"|input file [^\n]{0,200}? is in '\w+' state",
    re.IGNORECASE,
)
_GONE_TEXT = re.compile(
    r"not (be )?found|cannot find|could not find|can't find|no such|(does not|doesn't|no longer) exist"
    r"|deleted|expired|does not have access|is in '\w+' state",
    re.IGNORECASE,
)


class Cause(StrEnum):
    """What is to be changed before the batch can run."""

    COPY = "copy"
    """the deployment cannot find or use its copy of the input file"""
    DEPLOYMENT = "deployment"
    """it has no room or not the model; another deployment may"""
    CONTENT = "content"
    """wrong at any deployment"""


def cause_of(errors: Sequence[BatchError], *, others_left: bool) -> Cause:
    """Why a batch failed, from all errors that its provider tells; one about the content decides.

    `others_left`: whether another deployment could still take it. That a model is unknown is then this
    deployment's fault, for the name there is of our configuration; and so is that Vertex AI cannot import a
    file, for other providers read it in another way. A batch without errors is the content's.
    """
    causes = {_cause_of(error, others_left=others_left) for error in errors}
    if not causes or Cause.CONTENT in causes:
        return Cause.CONTENT
    return causes.pop() if len(causes) == 1 else Cause.DEPLOYMENT


def _cause_of(error: BatchError, *, others_left: bool) -> Cause:
    if is_about_room(error):
        return Cause.DEPLOYMENT
    if others_left and ((error.code or "").lower() == MODEL_CODE or error.code == _IMPORT_CODE):
        return Cause.DEPLOYMENT
    if is_about_copy(error):
        return Cause.COPY
    return Cause.DEPLOYMENT if error.code in _GOOGLES_CODES else Cause.CONTENT


def is_about_import(errors: Sequence[BatchError]) -> bool:
    """Whether the provider could not import a file: one without the line that it stumbles on may do.

    Source: Vertex AI, whose jobs fail with code 3 for a file of which it cannot read a line.
    """
    return any(error.code == _IMPORT_CODE for error in errors)


def is_about_room(error: BatchError) -> bool:
    """Whether the deployment has no room left.

    Source: OpenAI's `insufficient_quota`, Google's `RESOURCE_EXHAUSTED`, `token_limit_exceeded`, which Azure
    answers to a create with status 400 and the code either in `code` or nowhere but in the text, and
    Anthropic's 400 for an account without credit, which has nothing but the text.
    """
    if (error.code or "").lower() in _ROOM_CODES or error.code == _GOOGLES_ROOM_CODE:
        return True
    return not error.line and bool(_ROOM_TEXT.search(_text(error)))


def is_about_copy(error: BatchError) -> bool:
    """Whether the deployment cannot use its copy of the input file: gone, or not ready yet.

    Told by the text, of no line and of nothing in a request; with `input_file_id` as `param` fewer words are
    enough, and `file_id` is OpenAI's word for nothing else.
    Source: OpenAI, OGX and Llama Stack (`Cannot find file ...`), AIBrix (`input file not found`), and Azure
    for a file that is still `pending`.
    """
    if error.line:
        return False
    match error.param:
        case "file_id":
            return True
        case "input_file_id":
            return bool(_FILE_TEXT.search(_text(error)) or _GONE_TEXT.search(_text(error)))
        case param:
            return not (param or "").startswith("body") and bool(_FILE_TEXT.search(_text(error)))


def _text(error: BatchError) -> str:
    return (error.message or "")[:LONGEST_MESSAGE]
