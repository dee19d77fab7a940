"""Writes messages as Anthropic has them: turns of user and assistant, one after the other."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Sequence

from litebatch_asgi.dialects.conversation import Assistant, Results, System, Turn, User
from litebatch_asgi.dialects.media import Data, Link, Part, Text
from litebatch_asgi.dialects.refusal import invalid, unsupported
from litebatch_asgi.dialects.values import Object

_IMAGES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})


def write_messages(turns: Sequence[Turn]) -> tuple[list[Object], list[Object]]:
    """The blocks of the system prompt, and the messages.

    Turns of the same role that follow each other become one. The ids of calls are ours, by their order: those
    of OpenAI's requests may have any characters.

    Raises:
        Refusal: something in the messages cannot be given to Claude.

    """
    system: list[Object] = []
    messages: list[Object] = []
    for turn in turns:
        if isinstance(turn, System):
            system += _texts(turn.texts, f"{turn.param}.content")
            continue
        role = "assistant" if isinstance(turn, Assistant) else "user"
        blocks = _blocks(turn)
        if messages and messages[-1]["role"] == role:
            messages[-1]["content"] += blocks
        else:
            messages.append({"role": role, "content": blocks})
    if messages and messages[0]["role"] == "assistant":
        raise unsupported("body.messages", "for this provider the first message must be a user's.")
    return system, messages


def _blocks(turn: User | Assistant | Results) -> list[Object]:
    if isinstance(turn, User):
        return [_part(part, turn.param) for part in turn.parts]
    if isinstance(turn, Results):
        return [
            {
                "type": "tool_result",
                "tool_use_id": _call_id(result.call.number),
                "content": "".join(result.texts),
            }
            for result in turn.results
        ]
    calls: list[Object] = [
        {"type": "tool_use", "id": _call_id(call.number), "name": call.name, "input": call.arguments}
        for call in turn.calls
    ]
    return _texts(turn.texts, turn.param) + calls


def _call_id(number: int) -> str:
    return f"call_{number}"


def _texts(texts: Sequence[str], param: str) -> list[Object]:
    return [_text(text, param) for text in texts]


def _text(text: str, param: str) -> Object:
    if not text or text.isspace():
        raise invalid(param, "the provider takes no text that is blank.")
    return {"type": "text", "text": text}


def _part(part: Part, param: str) -> Object:
    if isinstance(part, Text):
        return _text(part.text, f"{param}.content")
    if isinstance(part, Link):
        if part.url[:8].lower() != "https://":
            raise unsupported(part.param, "the provider reads https:// addresses, or images as data URLs.")
        return {"type": "image", "source": {"type": "url", "url": part.url}}
    if part.mime_type in _IMAGES:
        return {"type": "image", "source": _given(part)}
    block: Object = {"type": "document", "source": _document(part)}
    if part.name:
        block["title"] = part.name
    return block


def _given(part: Data) -> Object:
    return {"type": "base64", "media_type": part.mime_type, "data": part.base64}


def _document(part: Data) -> Object:
    if part.mime_type == "application/pdf":
        return _given(part)
    if part.mime_type != "text/plain":
        raise unsupported(part.param, f"the provider does not read {part.mime_type}.")
    try:
        text = b64decode(part.base64).decode()
    except UnicodeError as error:
        raise invalid(part.param, "the text is not UTF-8.") from error
    _text(text, part.param)
    return {"type": "text", "media_type": "text/plain", "data": text}
