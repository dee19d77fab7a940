"""Writes messages as Gemini's contents."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from litebatch_asgi.dialects.conversation import Assistant, Results, System, Turn, User
from litebatch_asgi.dialects.media import Link, Part, Text
from litebatch_asgi.dialects.refusal import invalid, unsupported
from litebatch_asgi.dialects.values import Object
from litebatch_asgi.dialects.vertex.imports import check_import

_ARGUMENTS_DEPTH = 8  # line, request, contents, content, parts, part, functionCall
_ENDINGS = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "heic": "image/heic",
    "heif": "image/heif",
}
_TYPES = frozenset({*_ENDINGS.values(), "audio/wav", "audio/mpeg", "application/pdf", "text/plain"})


def write_contents(turns: Sequence[Turn]) -> tuple[list[Object], list[Object]]:
    """The parts of the system instruction, and the contents.

    Raises:
        Refusal: something in the messages cannot be given to Gemini.

    """
    system: list[Object] = []
    contents: list[Object] = []
    for turn in turns:
        if isinstance(turn, System):
            system += ({"text": text} for text in turn.texts)
        elif isinstance(turn, User):
            contents.append({"role": "user", "parts": [_part(part) for part in turn.parts]})
        elif isinstance(turn, Assistant):
            contents.append({"role": "model", "parts": _said(turn)})
        else:
            contents.append({"role": "user", "parts": _results(turn)})
    return system, contents


def _said(turn: Assistant) -> list[Object]:
    parts: list[Object] = [{"text": text} for text in turn.texts]
    for call in turn.calls:
        told: Object = {"name": call.name}
        if call.arguments:
            check_import(call.arguments, call.param, _ARGUMENTS_DEPTH)
            told["args"] = call.arguments
        parts.append({"functionCall": told})
    return parts


def _results(turn: Results) -> list[Object]:
    return [
        {
            "functionResponse": {
                "name": result.call.name,
                "response": {"output": "".join(result.texts)},
            }
        }
        for result in turn.results
    ]


def _part(part: Part) -> Object:
    if isinstance(part, Text):
        return {"text": part.text}
    if isinstance(part, Link):
        return {"fileData": {"mimeType": _linked_type(part), "fileUri": part.url}}
    if part.mime_type not in _TYPES:
        raise unsupported(part.param, f"the provider does not read {part.mime_type}.")
    return {"inlineData": {"mimeType": part.mime_type, "data": part.base64}}


def _linked_type(link: Link) -> str:
    """The type that the provider has to be told of an image; an address tells it by its ending only."""
    try:
        address = urlsplit(link.url)
    except ValueError as error:
        raise invalid(link.param, f"it is no URL: {error}.") from error
    if address.scheme not in ("https", "gs"):
        why = "the provider reads images from https:// and gs:// addresses, or given as a data URL."
        raise unsupported(link.param, why)
    mime_type = _ENDINGS.get(address.path.rpartition(".")[2].lower())
    if mime_type is None:
        why = "it does not end like an image that the provider reads (.png, .jpg, .webp). Give a data URL."
        raise unsupported(link.param, why)
    return mime_type
