"""OpenAI's File and Batch objects, read leniently: compatible services write them in many ways."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import cast

from litebatch_asgi.errors import NoClearAnswer
from litebatch_asgi.models import (
    BatchError,
    BatchStatus,
    Counts,
    ProviderBatch,
    ProviderFile,
    ProviderFileStatus,
    Usage,
)
from litebatch_asgi.models.provider import LONGEST_MESSAGE, LONGEST_NAME, MOST_ERRORS
from litebatch_asgi.providers.openai.reading import Object

OPENAI_READY = frozenset({"", "uploaded", "processed"})
"""file statuses with which a batch may start: OpenAI needs no wait, and may leave the field out"""
_MOST = 1 << 63
_NEVER = datetime.fromtimestamp(0, UTC)
_FAILED = frozenset({"error", "failed", "deleting", "deleted"})
_STATUSES: Mapping[str, BatchStatus] = {
    **{status.value: status for status in BatchStatus},
    "created": BatchStatus.VALIDATING,
    "pending": BatchStatus.VALIDATING,
    "queued": BatchStatus.VALIDATING,
    "scheduled": BatchStatus.VALIDATING,
    "scheduling": BatchStatus.VALIDATING,  # AIBrix: waiting for room
    "submitted": BatchStatus.VALIDATING,
    "processing": BatchStatus.IN_PROGRESS,
    "running": BatchStatus.IN_PROGRESS,
    "finalising": BatchStatus.FINALIZING,
    "succeeded": BatchStatus.COMPLETED,
    "success": BatchStatus.COMPLETED,  # Mistral, as the next two
    "timeout_exceeded": BatchStatus.EXPIRED,
    "cancellation_requested": BatchStatus.CANCELLING,
    "canceling": BatchStatus.CANCELLING,
    "canceled": BatchStatus.CANCELLED,
}


def parse_file(content: Object, *, ready: Collection[str] = OPENAI_READY) -> ProviderFile:
    """A File object. Raises `NoClearAnswer` if it has no id.

    `ready`: the statuses, in lower case, with which a batch may start; "" is a status that is not given.
    `error` and the stages of deletion are `FAILED`, and everything unknown is `PENDING`: it may become ready.
    """
    status = _word(content.get("status"))
    if status in ready:
        meaning = ProviderFileStatus.READY
    else:
        meaning = ProviderFileStatus.FAILED if status in _FAILED else ProviderFileStatus.PENDING
    return ProviderFile(
        id=_id(content),
        filename=_text(content.get("filename")) or "",
        bytes=_count(content.get("bytes")),
        status=meaning,
        created_at=parse_time(content.get("created_at")),
        expires_at=parse_time(content.get("expires_at")),
        status_details=_text(content.get("status_details"), LONGEST_MESSAGE),
        purpose=_text(content.get("purpose"), LONGEST_NAME),
    )


def parse_batch(content: Object) -> ProviderBatch:
    """A Batch object. Raises `NoClearAnswer` if it has no id.

    A status that `known_status` does not know counts as `in_progress`, so that the batch is looked at again.
    """
    return ProviderBatch(
        id=_id(content),
        status=known_status(content.get("status")) or BatchStatus.IN_PROGRESS,
        created_at=parse_time(content.get("created_at")),
        in_progress_at=parse_time(content.get("in_progress_at")),
        finalizing_at=parse_time(content.get("finalizing_at")),
        input_file_id=_text(content.get("input_file_id")),
        output_file_id=_text(content.get("output_file_id")),
        error_file_id=_text(content.get("error_file_id")),
        counts=_counts(content.get("request_counts")),
        errors=_errors(content.get("errors")),
        metadata=_metadata(content.get("metadata")),
        endpoint=_text(content.get("endpoint"), LONGEST_NAME),
        completion_window=_text(content.get("completion_window"), LONGEST_NAME),
        model=_text(content.get("model"), LONGEST_NAME),
        expires_at=parse_time(content.get("expires_at")),
        completed_at=parse_time(content.get("completed_at")),
        failed_at=parse_time(content.get("failed_at")),
        expired_at=parse_time(content.get("expired_at")),
        cancelling_at=parse_time(content.get("cancelling_at")),
        cancelled_at=parse_time(content.get("cancelled_at")),
        usage=_usage(content.get("usage")),
    )


def known_status(value: object) -> BatchStatus | None:
    """The status that a word stands for, in any case; None: no service is known to use the word."""
    return _STATUSES.get(_word(value).replace(" ", "_").replace("-", "_"))


def parse_time(value: object) -> datetime | None:
    """A moment given in Unix seconds (number or text) or in ISO 8601, UTC where no zone is given.

    The Unix epoch and what is before it, such as the year 1 of .NET's empty dates, stand for no moment.
    """
    try:
        if isinstance(value, str) and not value.replace(".", "", 1).isdigit():
            moment = datetime.fromisoformat(value)
            moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        elif isinstance(value, (int, float, str)) and not isinstance(value, bool):
            moment = datetime.fromtimestamp(float(value), UTC)
        else:
            return None
    except (ValueError, OverflowError, OSError):
        return None
    return moment if moment > _NEVER else None


def _id(content: Object) -> str:
    name = _text(content.get("id"))
    if name is None:
        raise NoClearAnswer("the answer names no id")
    return name


def _text(value: object, longest: int | None = None) -> str | None:
    return _storable(value[:longest]) if isinstance(value, str) and value else None


def _storable(text: str) -> str:
    """The text without lone surrogates, which no UTF-8 holds, and NUL, for which PostgreSQL has no room."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def _word(value: object) -> str:
    return value.strip().lower() if isinstance(value, str) else ""


def _count(value: object) -> int | None:
    if isinstance(value, str) and value.isdecimal() and len(value) < 20:
        return int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 <= value < _MOST else None


def _counts(value: object) -> Counts | None:
    if not isinstance(value, dict):
        return None
    content = cast("Object", value)
    total, completed, failed = (_count(content.get(name)) for name in ("total", "completed", "failed"))
    if total is None and completed is None and failed is None:
        return None
    return Counts(total=total or 0, completed=completed or 0, failed=failed or 0)


def _usage(value: object) -> Usage | None:
    if not isinstance(value, dict):
        return None
    content = cast("Object", value)
    sent, made = (_count(content.get(name)) or 0 for name in ("input_tokens", "output_tokens"))
    total = _count(content.get("total_tokens"))
    return Usage(
        input_tokens=sent,
        cached_tokens=_detail(content, "input_tokens_details", "cached_tokens"),
        output_tokens=made,
        reasoning_tokens=_detail(content, "output_tokens_details", "reasoning_tokens"),
        total_tokens=sent + made if total is None else total,
    )


def _detail(usage: Object, details: str, name: str) -> int:
    value: object = usage.get(details)
    return (_count(cast("Object", value).get(name)) if isinstance(value, dict) else None) or 0


def _errors(value: object) -> tuple[BatchError, ...]:
    """The first entries of `errors`: a list object as OpenAI has it, or a bare list.

    Azure's specification has a single entry in `data` in place of a list.
    """
    if isinstance(value, dict):
        value = cast("Object", value).get("data")
    listed = cast("list[object]", value) if isinstance(value, list) else [value]
    entries = [cast("Object", entry) for entry in listed if isinstance(entry, dict)]
    return tuple(
        BatchError(
            code=_text(entry.get("code"), LONGEST_NAME),
            line=_count(entry.get("line")),
            message=_text(entry.get("message"), LONGEST_MESSAGE),
            param=_text(entry.get("param"), LONGEST_NAME),
        )
        for entry in entries[:MOST_ERRORS]
    )


def _metadata(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        return {}
    pairs = cast("dict[str, object]", value).items()
    return {_storable(key): _storable(text) for key, text in pairs if isinstance(text, str)}
