"""The filter of a list of jobs, such as `state="JOB_STATE_FAILED" AND labels.team:*`.

Source: the discovery document of Vertex AI's API: `display_name`, `state`, `create_time` and `labels`, joined
by `AND`, `OR` and `NOT`.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from .json_values import JSON
from .wire import ApiError

TOKEN = re.compile(r'\s*(?:(\(|\)|!=|<=|>=|=|<|>|:)|"((?:[^"\\]|\\.)*)"|([^\s()!=<>:"]+))')
COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
Matches = Callable[[JSON], bool]


def job_filter(text: str) -> Matches:
    """Whether a job, as it is shown, passes the filter. Raises ApiError for one that cannot be read."""
    if not text.strip():
        return lambda job: True
    reader = _Reader(text)
    matches = reader.any_of()
    if reader.peek() is not None:
        raise _unreadable(text)
    return matches


def _unreadable(text: str) -> ApiError:
    return ApiError(400, f"Invalid filter: {text}", code="INVALID_ARGUMENT")


class _Reader:
    """Reads a filter from left to right: `OR` binds least, `NOT` most."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens: list[tuple[str, bool]] = []
        """each with whether it is a name or a value"""
        position = 0
        while position < len(text.rstrip()):
            found = TOKEN.match(text, position)
            if found is None:
                raise _unreadable(text)
            symbol, quoted, word = found.groups()
            if symbol is not None:
                self._tokens.append((symbol, False))
            elif quoted is not None:
                self._tokens.append((re.sub(r"\\(.)", r"\1", quoted), True))
            else:
                self._tokens.append((word, word not in ("AND", "OR", "NOT")))
            position = found.end()

    def peek(self) -> tuple[str, bool] | None:
        """The next token, left where it is."""
        return self._tokens[0] if self._tokens else None

    def any_of(self) -> Matches:
        """One or more joined by `OR`."""
        several = [self._all_of()]
        while self._skip("OR"):
            several.append(self._all_of())
        return lambda job: any(matches(job) for matches in several)

    def _all_of(self) -> Matches:
        several = [self._one()]
        while self._skip("AND") or self._begins_another():
            several.append(self._one())
        return lambda job: all(matches(job) for matches in several)

    def _begins_another(self) -> bool:
        following = self.peek()
        return following is not None and following not in ((")", False), ("OR", False))

    def _one(self) -> Matches:
        if self._skip("NOT"):
            inner = self._one()
            return lambda job: not inner(job)
        if self._skip("("):
            inner = self.any_of()
            if not self._skip(")"):
                raise _unreadable(self._text)
            return inner
        field, (symbol, _), value = self._take(), self._next(), self._take()
        if symbol == ":":
            return _has(field, value, self._text)
        if symbol not in COMPARISONS:
            raise _unreadable(self._text)
        return _compares(field, COMPARISONS[symbol], value, self._text)

    def _skip(self, symbol: str) -> bool:
        if self.peek() == (symbol, False):
            self._tokens.pop(0)
            return True
        return False

    def _next(self) -> tuple[str, bool]:
        if not self._tokens:
            raise _unreadable(self._text)
        return self._tokens.pop(0)

    def _take(self) -> str:
        token, is_word = self._next()
        if not is_word:
            raise _unreadable(self._text)
        return token


def _has(field: str, value: str, text: str) -> Matches:
    """`:`, which is for a part, or with `*` for anything at all."""
    get = _getter(field, text)
    if value == "*":
        return lambda job: get(job) is not None
    pattern = re.compile(".*".join(re.escape(part) for part in value.split("*")), re.IGNORECASE | re.DOTALL)
    return lambda job: pattern.fullmatch(get(job) or "") is not None


def _compares(field: str, compare: Callable[[Any, Any], bool], value: str, text: str) -> Matches:
    get = _getter(field, text)
    if field == "create_time":
        try:
            at = datetime.fromisoformat(value)
            compare(at, datetime.fromisoformat("2000-01-01T00:00:00Z"))
        except (ValueError, TypeError):
            raise _unreadable(text) from None
        return lambda job: compare(datetime.fromisoformat(str(get(job))), at)
    if compare not in (operator.eq, operator.ne):
        raise _unreadable(text)
    return lambda job: compare(get(job), value)


def _getter(field: str, text: str) -> Callable[[JSON], str | None]:
    direct = {"display_name": "displayName", "state": "state", "create_time": "createTime", "model": "model"}
    if field in direct:
        return lambda job: job[direct[field]]
    if field.startswith("labels."):
        return lambda job: job.get("labels", {}).get(field.removeprefix("labels."))
    raise _unreadable(text)
