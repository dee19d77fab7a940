"""Reads the rows of providers' output and error files, leniently: what can be understood of them counts.

A row, in OpenAI's words: `{"id", "custom_id", "response": {"status_code", "request_id", "body"}, "error"}`,
with null for `response` or `error`; the body of an answer has a `usage`. OGX and Llama Stack write the body
as JSON in a string.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any, cast

import msgspec

from litebatch_asgi.jsonl.ids import id_digest

MAX_ROW_BYTES = 64 << 20
"""A longer row is not read."""

_MOST_TOKENS = 1 << 40  # so much in one row is nonsense, and sums of it would not fit into a database

Tokens = Annotated[int, msgspec.Meta(ge=0, lt=_MOST_TOKENS)]


class Details(msgspec.Struct, gc=False):
    """What the tokens of one side were."""

    cached_tokens: Tokens | None = None
    reasoning_tokens: Tokens | None = None


class RowUsage(msgspec.Struct, gc=False):
    """The usage of one answer: in the words of chat completions and embeddings, or of responses."""

    prompt_tokens: Tokens | None = None
    completion_tokens: Tokens | None = None
    input_tokens: Tokens | None = None
    output_tokens: Tokens | None = None
    total_tokens: Tokens | None = None
    prompt_tokens_details: Details | None = None
    completion_tokens_details: Details | None = None
    input_tokens_details: Details | None = None
    output_tokens_details: Details | None = None


class Body(msgspec.Struct, gc=False):
    """The body of an answer."""

    usage: RowUsage | None = None


class Response(msgspec.Struct, gc=False):
    """An answer to a request."""

    status_code: int | None = None
    body: Body | str | None = None

    @property
    def usage(self) -> RowUsage | None:
        """That of the body, if it tells one."""
        body = _read_body(self.body) if isinstance(self.body, str) else self.body
        return body.usage if body is not None else None


class Row(msgspec.Struct, gc=False):
    """What counts of a row."""

    custom_id: str
    response: Response | None = None
    error: Any = None

    @property
    def digest(self) -> bytes:
        """That of the custom_id."""
        return id_digest(self.custom_id.encode("utf-8", "surrogatepass"))

    @property
    def is_executed(self) -> bool:
        """Whether the request was run; one that was not has an error in place of a response."""
        return self.response is not None


_NO_TYPED_ROW = (msgspec.DecodeError, UnicodeError, RecursionError)
_decode = msgspec.json.Decoder(Row).decode
_decode_body = msgspec.json.Decoder(Body).decode


def read_rows(lines: Sequence[bytes]) -> Sequence[Row | None]:
    """The rows that `lines` hold; None for what is not a JSON object with a custom_id."""
    try:
        return list(map(_decode, lines))
    except _NO_TYPED_ROW:
        return [_read_row(line) for line in lines]


def _read_row(line: bytes) -> Row | None:
    try:
        return _decode(line)
    except _NO_TYPED_ROW:
        return _read_odd_row(line)


def _read_odd_row(line: bytes) -> Row | None:
    """Reads values of unexpected types, and what is not quite JSON but what most readers take for it."""
    try:
        row = _members(json.loads(line.decode("utf-8", "replace"), strict=False))
    except (ValueError, RecursionError):
        return None
    if not isinstance(row.get("custom_id"), str):
        return None
    answer = _members(row.get("response"))
    body = answer.get("body")
    response = {
        "status_code": _whole(answer.get("status_code")),
        "body": body if isinstance(body, str) else _odd_body(body),
    }
    odd = {
        "custom_id": row["custom_id"],
        "response": response if row.get("response") is not None else None,
        "error": row.get("error"),
    }
    return msgspec.convert(odd, Row)


def _read_body(text: str) -> Body | None:
    """The body that a string holds; None if it holds something else."""
    try:
        return _decode_body(text)
    except _NO_TYPED_ROW:
        pass
    try:
        return msgspec.convert(_odd_body(json.loads(text, strict=False)), Body)
    except (ValueError, RecursionError):
        return None


def _odd_body(body: object) -> dict[str, object]:
    return {"usage": _usage(_members(_members(body).get("usage")))}


def _members(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _usage(usage: dict[str, Any]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name in RowUsage.__struct_fields__:
        value = usage.get(name)
        if not name.endswith("_details"):
            found[name] = _tokens(value)
        elif isinstance(value, dict):
            details = _members(cast("object", value))
            found[name] = {part: _tokens(details.get(part)) for part in Details.__struct_fields__}
    return found


def _tokens(value: object) -> int | None:
    count = _whole(value)
    return count if count is not None and 0 <= count < _MOST_TOKENS else None


def _whole(value: object) -> int | None:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
