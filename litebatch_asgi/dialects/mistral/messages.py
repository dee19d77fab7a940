"""Writes messages as Mistral has them: OpenAI's, with other rules for their parts and their order."""

from __future__ import annotations

from collections.abc import Sequence

from litebatch_asgi.dialects.conversation import Assistant, Results, System, Turn, User
from litebatch_asgi.dialects.media import Link, Part, Text
from litebatch_asgi.dialects.refusal import unsupported
from litebatch_asgi.dialects.values import Object

_IMAGES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
_ADDRESSES = ("https://", "http://")


def write_messages(turns: Sequence[Turn]) -> list[Object]:
    """The messages.

    The ids of calls are ours, by their order: Mistral's have nine letters and digits.

    Raises:
        Refusal: something in the messages cannot be given to Mistral.

    """
    messages: list[Object] = []
    for turn, before in zip(turns, (None, *turns), strict=False):
        if isinstance(turn, User) and isinstance(before, Results):
            why = "for this provider an assistant's message must stand between it and a tool's."
            raise unsupported(turn.param, why)
        messages += _messages(turn)
    return messages


def _messages(turn: Turn) -> list[Object]:
    if isinstance(turn, Results):
        return [
            {
                "role": "tool",
                "name": result.call.name,
                "tool_call_id": _call_id(result.call.number),
                "content": "".join(result.texts),
            }
            for result in turn.results
        ]
    if isinstance(turn, Assistant):
        return [_assistant(turn)]
    if isinstance(turn, System):
        return [{"role": "system", "content": _content([Text(text) for text in turn.texts])}]
    return [{"role": "user", "content": _content(turn.parts)}]


def _assistant(turn: Assistant) -> Object:
    message: Object = {"role": "assistant"}
    if turn.texts:
        message["content"] = _content([Text(text) for text in turn.texts])
    if turn.calls:
        message["tool_calls"] = [
            {
                "id": _call_id(call.number),
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in turn.calls
        ]
    return message


def _call_id(number: int) -> str:
    return f"{number:09d}"


def _content(parts: Sequence[Part]) -> str | list[Object]:
    """A single text as it is, anything else as chunks."""
    if len(parts) == 1 and isinstance(parts[0], Text):
        return parts[0].text
    return [_chunk(part) for part in parts]


def _chunk(part: Part) -> Object:
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    if isinstance(part, Link):
        if not part.url.lower().startswith(_ADDRESSES):
            raise unsupported(part.param, "the provider reads https:// addresses, or images as data URLs.")
        return {"type": "image_url", "image_url": part.url}
    if part.mime_type.startswith("audio/"):
        return {"type": "input_audio", "input_audio": part.base64}
    url = f"data:{part.mime_type};base64,{part.base64}"
    if part.mime_type in _IMAGES:
        return {"type": "image_url", "image_url": url}
    if part.mime_type != "application/pdf":
        raise unsupported(part.param, f"the provider does not read {part.mime_type}.")
    chunk: Object = {"type": "document_url", "document_url": url}
    if part.name:
        chunk["document_name"] = part.name
    return chunk
