"""What an answer says, taken out of the JSON around it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from litebatch_asgi.jsonl.loose import loose_json


def answer_text(row: bytes) -> str | None:
    """The words that the answer of a row consists of: those of chats, responses and completions.

    None where there are none, or nothing that can be read.
    """
    try:
        body = _members(_members(loose_json(row)).get("response"))
        told = body.get("body")
        told = loose_json(told) if isinstance(told, str) else told
    except (ValueError, RecursionError):
        return None
    words = [each for each in _words(_members(told)) if each]
    return "\n\n".join(words) if words else None


def _words(body: dict[str, Any]) -> Iterator[str]:
    for choice in _items(body.get("choices")):
        message = _members(choice.get("message"))
        yield from _content(message.get("content"))
        yield from _content(message.get("refusal"))
        yield from _content(choice.get("text"))
    for item in _items(body.get("output")):
        yield from _content(item.get("content"))


def _content(content: object) -> Iterator[str]:
    """A text, or the texts of parts."""
    if isinstance(content, str):
        yield content
    for part in _items(content):
        for name in ("text", "refusal"):
            if isinstance(text := part.get(name), str):
                yield text


def _items(value: object) -> list[dict[str, Any]]:
    listed = cast("list[object]", value) if isinstance(value, list) else []
    return [_members(each) for each in listed]


def _members(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
