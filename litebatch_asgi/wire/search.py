"""Searches of batches and files, as they are asked for: checked, with cursors as texts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from litebatch_asgi.errors import InvalidRequest
from litebatch_asgi.models import BatchStatus
from litebatch_asgi.search import Cursor
from litebatch_asgi.wire import checks
from litebatch_asgi.wire.names import MAX_NAME
from litebatch_asgi.wire.queries import FILE_PURPOSES, MAX_OWNER

MAX_FOUND = 100
MAX_TEXT = 512
"""characters, as many as a value of metadata may have"""

_CURSOR = re.compile(r"([0-9]{1,18})\.([a-z]{0,20})\.([-_~0-9A-Za-z]{0,256})")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STATUSES = tuple(BatchStatus)


class BatchSearchAsked(msgspec.Struct, frozen=True, kw_only=True):
    """A search for batches; what is empty is not given. Raises `InvalidRequest` for what cannot be."""

    owner: str | None = None
    statuses: Sequence[str] = ()
    model: str | None = None
    deployment: str | None = None
    text: str | None = None
    before: str | None = None
    after: str | None = None
    limit: int = 20

    def __post_init__(self) -> None:
        if isinstance(self.statuses, str):
            raise checks.wrong_type("statuses", "an array", self.statuses)
        for status in self.statuses:
            checks.one_of(_STATUSES, checks.text(status, "statuses"), "statuses")
        for name, most in (("owner", MAX_OWNER), ("model", MAX_NAME), ("deployment", MAX_NAME)):
            _check_text(getattr(self, name), name, most)
        _check_page(self)


class FileSearchAsked(msgspec.Struct, frozen=True, kw_only=True):
    """A search for files, likewise."""

    owner: str | None = None
    purpose: str | None = None
    text: str | None = None
    before: str | None = None
    after: str | None = None
    limit: int = 20

    def __post_init__(self) -> None:
        _check_text(self.owner, "owner", MAX_OWNER)
        if self.purpose:
            checks.one_of(FILE_PURPOSES, checks.text(self.purpose, "purpose"), "purpose")
        _check_page(self)


def cursor_text(cursor: Cursor | None) -> str | None:
    """A cursor as clients keep it: letters, digits and some signs that stand for themselves in URLs."""
    if cursor is None:
        return None
    return f"{(cursor.created_at - _EPOCH) // timedelta(microseconds=1)}.{cursor.by}.{cursor.id}"


def parse_cursor(text: str | None, param: str) -> Cursor | None:
    """The cursor of a text, which may be empty. Raises `InvalidRequest` for what is none."""
    if not text:
        return None
    parts = _CURSOR.fullmatch(text)
    try:
        created_at = _EPOCH + timedelta(microseconds=int(parts[1] if parts is not None else ""))
    except (ValueError, OverflowError):
        created_at = None
    if parts is None or created_at is None:
        raise InvalidRequest(
            f"Invalid '{param}': '{text[:100]}' is no cursor. Send what an earlier page told, unchanged.",
            param=param,
            code="invalid_value",
        )
    return Cursor(created_at=created_at, id=parts[3], by=parts[2])


def _check_page(asked: BatchSearchAsked | FileSearchAsked) -> None:
    _check_text(asked.text, "text", MAX_TEXT)
    for name in ("before", "after"):
        given = getattr(asked, name)
        parse_cursor(checks.text(given, name) if given is not None else None, name)
    if asked.before and asked.after:
        raise InvalidRequest("Send 'before' or 'after', not both.", param="after", code="invalid_value")
    checks.in_range(asked.limit, "limit", 1, MAX_FOUND)


def _check_text(given: object, param: str, most: int) -> None:
    if given is not None:
        checks.plain(checks.no_longer_than(most, checks.text(given, param), param), param)
