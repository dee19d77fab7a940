"""The content parts of messages: text, and what is given as data or by its address."""

from __future__ import annotations

import re
from typing import NamedTuple, TypeAlias

from litebatch_asgi.dialects.refusal import invalid, missing, unsupported
from litebatch_asgi.dialects.values import (
    Object,
    check_keys,
    is_same,
    read_array,
    read_choice,
    read_kind,
    read_object,
    read_text,
)


class Text(NamedTuple):
    """Some text that is not empty."""

    text: str


class Data(NamedTuple):
    """Something that is given whole."""

    mime_type: str
    base64: str
    name: str | None
    """of the file"""
    param: str


class Link(NamedTuple):
    """An image that is given by its address."""

    url: str
    param: str


Part: TypeAlias = Text | Data | Link

PART_KEYS = {
    "text": frozenset({"type", "text", "prompt_cache_breakpoint"}),
    "refusal": frozenset({"type", "refusal"}),
    "image_url": frozenset({"type", "image_url", "prompt_cache_breakpoint"}),
    "input_audio": frozenset({"type", "input_audio", "prompt_cache_breakpoint"}),
    "file": frozenset({"type", "file", "prompt_cache_breakpoint"}),
}
"""What a part of each type may have. `prompt_cache_breakpoint` is without effect on the answer."""
TEXTS_ONLY = ("text",)
SAID = ("text", "refusal")
GIVEN = ("text", "image_url", "input_audio", "file")

_DATA_URL = re.compile(r"data:([a-z0-9]+/[a-z0-9.+-]+)(?:;[a-z0-9-]+=[^;,]{1,100})*;base64,", re.IGNORECASE)
_BASE64 = re.compile(r"[A-Za-z0-9+/]++={0,2}")
_AUDIO = {"wav": "audio/wav", "mp3": "audio/mpeg"}
_BY_ENDING = {"pdf": "application/pdf", "txt": "text/plain"}


def read_parts(value: object, param: str, kinds: tuple[str, ...]) -> list[Part]:
    """The parts of a message's content, less the texts that are empty.

    Args:
        value: a string, or an array of parts.
        param: its place.
        kinds: the types that parts may have in this message.

    """
    if isinstance(value, str):
        return [Text(value)] if value else []
    parts: list[Part] = []
    for index, item in enumerate(read_array(value, param)):
        place = f"{param}[{index}]"
        part = _read_part(read_object(item, place), place, kinds)
        if part is not None:
            parts.append(part)
    return parts


def read_texts(value: object, param: str, kinds: tuple[str, ...] = TEXTS_ONLY) -> list[str]:
    """The same, of a content that holds nothing but text."""
    return [part.text for part in read_parts(value, param, kinds) if isinstance(part, Text)]


def _read_part(part: Object, param: str, kinds: tuple[str, ...]) -> Part | None:
    kind = read_kind(part, param, kinds)
    check_keys(part, param, PART_KEYS[kind])
    inner = f"{param}.{kind}"
    if part.get(kind) is None:
        raise missing(inner)
    if kind in SAID:
        text = read_text(part[kind], inner)
        return Text(text) if text else None
    told = read_object(part[kind], inner)
    if kind == "image_url":
        return _read_image(told, inner)
    return _read_audio(told, inner) if kind == "input_audio" else _read_file(told, inner)


def _read_image(image: Object, param: str) -> Part:
    check_keys(image, param, ("url", "detail"))
    if image.get("detail") is not None and not is_same(image["detail"], "auto"):
        read_choice(image["detail"], f"{param}.detail", ("auto", "low", "high", "original"))
        raise unsupported(f"{param}.detail", "this provider chooses the detail itself. Leave it out.")
    url = read_text(image.get("url"), f"{param}.url")
    return _read_data(url, f"{param}.url") if url[:5].lower() == "data:" else Link(url, f"{param}.url")


def _read_audio(audio: Object, param: str) -> Data:
    check_keys(audio, param, ("data", "format"))
    ending = read_choice(audio.get("format"), f"{param}.format", _AUDIO)
    base64 = read_text(audio.get("data"), f"{param}.data")
    return Data(_AUDIO[ending], _checked(base64, f"{param}.data"), None, f"{param}.data")


def _read_file(file: Object, param: str) -> Data:
    check_keys(file, param, ("file_data", "file_id", "filename"))
    if file.get("file_id") is not None:
        why = "the provider of this model has no such file. Give the file itself, as file_data."
        raise unsupported(f"{param}.file_id", why)
    if file.get("file_data") is None:
        raise missing(f"{param}.file_data")
    place = f"{param}.file_data"
    name = None if file.get("filename") is None else read_text(file["filename"], f"{param}.filename")
    told = read_text(file["file_data"], place)
    if told[:5].lower() == "data:":
        return _read_data(told, place)._replace(name=name)
    mime_type = _BY_ENDING.get((name or "").rpartition(".")[2].lower())
    if mime_type is None:
        raise invalid(place, "its type is unknown. Write it as data:TYPE;base64,… instead.")
    return Data(mime_type, _checked(told, place), name, place)


def _read_data(url: str, param: str) -> Data:
    head = _DATA_URL.match(url)
    if head is None:
        raise invalid(param, "a data URL must be written as data:TYPE;base64,… here.")
    return Data(head[1].lower(), _checked(url[head.end() :], param), None, param)


def _checked(base64: str, param: str) -> str:
    if len(base64) % 4 or not _BASE64.fullmatch(base64):
        raise invalid(param, "the data is not base64, padded and without line breaks.")
    return base64
