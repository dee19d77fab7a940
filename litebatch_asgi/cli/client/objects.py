"""Batches and files as servers tell of them; what a server does not tell is None, 0 or empty. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from litebatch_asgi.cli.client.answers import dollars, listed, members, number, text, whole
from litebatch_asgi.cli.client.errors import WrongAnswer
from litebatch_asgi.wire import RETRY_OF

ENDED = frozenset({"completed", "failed", "expired", "cancelled"})
GIVEN_UP = frozenset({"failed", "expired", "cancelled", "cancelling"})
"""statuses of batches that nobody goes on with"""


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """A batch."""

    id: str
    status: str
    endpoint: str
    model: str | None
    total: int
    completed: int
    failed: int
    created_at: datetime | None
    output_file_id: str | None
    error_file_id: str | None
    errors: tuple[str, ...]
    """why it failed"""
    metadata: Mapping[str, str]
    waiting_for: str | None
    """a sentence; LiteBatch alone says it"""
    cost: str | None
    """US dollars; LiteBatch alone says it"""
    cost_is_final: bool
    told: dict[str, Any]
    """all that the server says"""

    @property
    def has_ended(self) -> bool:
        """Whether nothing will change any more."""
        return self.status in ENDED

    @property
    def done(self) -> int:
        """Requests that are over with, in whatever way."""
        return self.completed + self.failed

    @property
    def is_whole(self) -> bool:
        """Whether all of its requests have succeeded."""
        return self.status == "completed" and not self.failed and self.completed >= self.total

    @property
    def retries(self) -> str | None:
        """The batch whose requests it runs again."""
        return text(self.metadata.get(RETRY_OF))


class File(msgspec.Struct, frozen=True, kw_only=True):
    """A file."""

    id: str
    filename: str
    bytes: int
    purpose: str
    status: str
    created_at: datetime | None
    is_litebatch_s: bool
    """whether the server is a LiteBatch"""
    told: dict[str, Any]


def batch_of(told: dict[str, Any]) -> Batch:
    """The batch that a server tells of. Raises `WrongAnswer` if that is none."""
    batch_id, status = text(told.get("id")), text(told.get("status"))
    if batch_id is None or status is None:
        raise _wrong("batch", told)
    counts, ours = members(told.get("request_counts")), members(told.get("litebatch"))
    return Batch(
        id=batch_id,
        status=status.lower(),
        endpoint=text(told.get("endpoint")) or "",
        model=text(told.get("model")),
        total=number(counts.get("total")),
        completed=number(counts.get("completed")),
        failed=number(counts.get("failed")),
        created_at=_moment(told.get("created_at")),
        output_file_id=text(told.get("output_file_id")),
        error_file_id=text(told.get("error_file_id")),
        errors=tuple(_error(members(each)) for each in listed(members(told.get("errors")).get("data"))),
        metadata={
            name: each for name, each in members(told.get("metadata")).items() if isinstance(each, str)
        },
        waiting_for=text(members(ours.get("waiting_for")).get("message")),
        cost=dollars(ours.get("cost")),
        cost_is_final=ours.get("cost_is_final") is True,
        told=told,
    )


def file_of(told: dict[str, Any]) -> File:
    """The file that a server tells of. Raises `WrongAnswer` if that is none."""
    file_id = text(told.get("id"))
    if file_id is None:
        raise _wrong("file", told)
    return File(
        id=file_id,
        filename=text(told.get("filename")) or "",
        bytes=number(told.get("bytes")),
        purpose=text(told.get("purpose")) or "",
        status=text(told.get("status")) or "",
        created_at=_moment(told.get("created_at")),
        is_litebatch_s=bool(members(told.get("litebatch"))),
        told=told,
    )


def _error(told: dict[str, Any]) -> str:
    line, message = whole(told.get("line")), text(told.get("message")) or text(told.get("code")) or "unknown"
    return message if line is None else f"line {line}: {message}"


def _moment(value: object) -> datetime | None:
    seconds = number(value)
    try:
        return datetime.fromtimestamp(seconds, UTC) if seconds else None
    except (ValueError, OverflowError, OSError):
        return None


def _wrong(what: str, told: Mapping[str, Any]) -> WrongAnswer:
    members_told = ", ".join(sorted(told)[:8]) or "nothing"
    return WrongAnswer(
        f"the server was asked for a {what} and told of something else, with {members_told}: is it OpenAI's "
        "API that it speaks?"
    )
