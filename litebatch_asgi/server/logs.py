"""The logs of the standalone gateway: JSON lines, or a readable form on a terminal.

The library logs to the loggers `litebatch_asgi.*`, with fields as `extra`, and sets nothing up. This module
is for the process that LiteBatch owns.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, TextIO, TypeAlias

import msgspec

from litebatch_asgi.server.secret import SECRET, SECRET_PREFIX

_RECORD = logging.LogRecord("", 0, "", 0, "", (), None)
_STANDARD = frozenset((*_RECORD.__dict__, "message", "asctime", "taskName", "color_message"))
_EVENT = "event_fields"
"""what the records of events have, see `LogSink`"""
_PLAIN = re.compile(r"[\x21\x23-\x7e]+")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

SHORTEST_SECRET = 4
"""characters; a shorter string is in half of all words"""
REDACTED = "[redacted]"

RequestLog: TypeAlias = Callable[[Mapping[str, Any]], None]
"""Writes the line that tells of one request; values are strings, numbers or None."""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """What a line tells."""

    created: float
    """Unix seconds"""
    level: str
    logger: str
    message: str
    fields: Mapping[str, Any]
    exception: str | None = None


Form: TypeAlias = Callable[[Line], str]
"""How a line is written, without its end."""


def json_line(line: Line) -> str:
    """One JSON object: time, level, logger, message, the fields, and `exception`."""
    told: dict[str, Any] = {
        "time": f"{_second(int(line.created))}.{int(line.created % 1 * 1000):03}Z",
        "level": line.level,
        "logger": line.logger,
        "message": line.message,
    }
    told.update((name, value) for name, value in line.fields.items() if value is not None)
    if line.exception is not None:
        told["exception"] = line.exception
    return _encode(told)


def text_line(line: Line) -> str:
    """Time, level, message and `name=value` for each field; an exception below."""
    when = datetime.fromtimestamp(line.created).astimezone()
    told = [when.strftime("%H:%M:%S"), line.level.ljust(7), line.message]
    told += [f"{name}={_shown(str(value))}" for name, value in line.fields.items() if value is not None]
    text = " ".join(told)
    if line.exception is not None:
        text += "\n" + line.exception
    return _CONTROL.sub(lambda found: repr(found.group())[1:-1], text)


class Redactor:
    """Blots out secrets, and what looks like a virtual key, wherever they stand.

    It is the last line of defence, for nothing should log them; but a key may stand in a path.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        spellings = {
            spelling
            for secret in secrets
            if len(secret) >= SHORTEST_SECRET
            for spelling in (secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1])
        }
        self._longest_first = sorted(spellings, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """The text without secrets."""
        for secret in self._longest_first:
            if secret in text:
                text = text.replace(secret, REDACTED)
        return SECRET.sub(REDACTED, text) if SECRET_PREFIX in text else text


class Formatter(logging.Formatter):
    """What makes a log record a line."""

    def __init__(self, form: Form, redact: Redactor, about: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self._form = form
        self._redact = redact
        self._about = about or {}

    def format(self, record: logging.LogRecord) -> str:
        """The line. What was given as `extra` is its fields, beside those of every line."""
        own = {name: value for name, value in record.__dict__.items() if name not in _STANDARD}
        event: dict[str, Any] = own.pop(_EVENT, {})
        line = Line(
            created=record.created,
            level=record.levelname.lower(),
            logger=record.name,
            message=event["event"] if event else record.getMessage(),
            fields={**self._about, **own, **event},
            exception=self.formatException(record.exc_info) if record.exc_info else None,
        )
        return self._redact(self._form(line))


class Handler(logging.StreamHandler[TextIO]):
    """Writes records, and raises for those of events that cannot be written: their sink gets them again."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Called while the error is handled."""
        error = sys.exception()
        if error is not None and _EVENT in record.__dict__:
            raise error
        super().handleError(record)


def _is_no_cancellation(record: logging.LogRecord) -> bool:
    """False for requests that the end of the process breaks off: servers log these as errors of the app."""
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))


def configure(secrets: Iterable[str], stream: TextIO = sys.stderr, **about: Any) -> RequestLog:
    """Set up this process's logging, for good: LiteBatch from INFO, everything else from WARNING.

    `about` are fields that every line has. Returns what writes the lines of requests to the same stream.
    They do not go through `logging`, whose way costs a request as much time as a read of the database.
    """
    redact, form = Redactor(secrets), text_line if stream.isatty() else json_line
    handler = Handler(stream)
    handler.addFilter(_is_no_cancellation)
    handler.setFormatter(Formatter(form, redact, about))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("litebatch_asgi").setLevel(logging.INFO)

    def tell(fields: Mapping[str, Any]) -> None:
        line = Line(
            created=time.time(),
            level="info",
            logger="litebatch_asgi.access",
            message="request",
            fields={**about, **fields},
        )
        with suppress(OSError, ValueError):  # a log that cannot be written takes no request down
            stream.write(redact(form(line)) + "\n")
            stream.flush()

    return tell


_encode = json.JSONEncoder(default=str).encode


@lru_cache(maxsize=1)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _shown(text: str) -> str:
    return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)
