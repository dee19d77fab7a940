"""Rows of results: whose they are, how they ended, and the text of the answer. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from litebatch_asgi.cli.client.answers import listed, members, text, whole

_UNREADABLE = (msgspec.DecodeError, UnicodeError, RecursionError)


class ResultRow(msgspec.Struct, frozen=True, kw_only=True):
    """What counts of a row."""

    custom_id: str
    status: str
    """of the answer, such as 200, or the code of the error that is there in its place"""
    text: str
    """what the model or the error says; empty where that is no text"""


def read_row(line: bytes) -> ResultRow | None:
    """The row that a line is; None: it is none."""
    row = members(_decoded(line))
    custom_id = row.get("custom_id")
    if not isinstance(custom_id, str):
        return None
    response, error = members(row.get("response")), members(row.get("error"))
    status = whole(response.get("status_code"))
    told = text(error.get("code")) or ("error" if error or not response else "")
    body = response.get("body")
    if isinstance(body, str):
        body = _decoded(body.encode(errors="surrogatepass"))
    return ResultRow(
        custom_id=custom_id,
        status=told if status is None else str(status),
        text=text_of(members(body)) or text(error.get("message")) or "",
    )


def text_of(body: dict[str, Any]) -> str:
    """What a body of chat completions, responses or completions says, or its error."""
    pieces: list[str] = []
    for choice in map(members, listed(body.get("choices"))):
        pieces += _texts(members(choice.get("message")).get("content")) or _texts(choice.get("text"))
    for item in map(members, listed(body.get("output"))):
        pieces += _texts(item.get("content"))
    return "\n".join(pieces) or text(members(body.get("error")).get("message")) or ""


def _texts(content: object) -> list[str]:
    """The texts of content, which is a text or a list of parts."""
    if isinstance(content, str):
        return [content]
    parts = (members(each) for each in listed(content))
    return [said for part in parts if (said := text(part.get("text")) or text(part.get("refusal")))]


def _decoded(raw: bytes) -> object:
    try:
        return msgspec.json.decode(raw)
    except _UNREADABLE:
        return None
