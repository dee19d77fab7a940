"""Finds the wanted members of a JSON object, and the values of an array, and where they lie, byte for byte.

Meant for text whose grammar is known to be right. It does not recurse into what is not wanted and remembers
nothing of it. It takes a step per token, not per character, and long values in several, so that other threads
get their turn. On other text it raises ValueError or gives members that mean nothing; it always ends.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple, TypeAlias

import msgspec

_QUOTE, _BACKSLASH, _OPEN_BRACE, _CLOSE_BRACKET = b'"\\{]'
_OPENING, _CLOSING = b"{[", b"}]"
_SPACE = rb"[ \t\r\n]*+"
_START = re.compile(_SPACE + rb"\{" + _SPACE + rb'(?=["}])')
_NEXT = re.compile(_SPACE + rb"(?:," + _SPACE + rb'(?=")|(?=\}))')
_ARRAY_START = re.compile(_SPACE + rb"\[" + _SPACE)
_ARRAY_NEXT = re.compile(_SPACE + rb"(?:," + _SPACE + rb"(?!\])|(?=\]))")
_COLON = re.compile(_SPACE + b":" + _SPACE)
_SHORT_KEY = re.compile(rb'"([^"\\]{0,64}+)"' + _SPACE + b":" + _SPACE)
_SHORT_VALUE = re.compile(rb'"[^"\\]{0,64}+"|[-+.0-9A-Za-z]++')
# What lies between brackets: literals, punctuation, short plain strings. The long ones are for bytes.index.
_FLAT = re.compile(rb'(?:[^"\[\]{}]{1,1024}+|"[^"\\]{0,64}+"){0,64}+')
# Escapes that lie close together, as in JSON inside a JSON string.
_ESCAPES = re.compile(rb'(?:\\.[^"\\]{0,32}+){1,1024}+', re.DOTALL)

Wanted: TypeAlias = "Mapping[str, Wanted]"
"""Names of members; to each, the names of those that are wanted in its value, should that be an object."""


class Member(NamedTuple):
    """A member of an object, as offsets into the text."""

    key_start: int
    start: int
    """of the value"""
    end: int
    """just after the value"""
    inner: Members | None
    """what was wanted in the value, if it is an object"""


class Members(NamedTuple):
    """The wanted members of an object."""

    first: dict[str, Member]
    """the first of each name, in the order of the text"""
    doubled: set[str]
    """names that stand there more than once"""
    escaped: set[str]
    """names of which a key is spelled with escapes"""


def unescape(raw: bytes) -> str:
    """The text of a valid JSON string that is given without its quotes."""
    if b"\\" not in raw:
        return raw.decode()
    return msgspec.json.decode(b'"' + raw + b'"', type=str)


def scan_object(text: bytes, wanted: Wanted) -> Members:
    """The wanted members of the JSON object that `text`, in UTF-8, begins with.

    Raises:
        ValueError: there is no whole object.

    """
    try:
        return _scan_members(text, 0, wanted)[0]
    except (IndexError, msgspec.DecodeError) as error:
        raise ValueError("not a whole JSON object") from error


def scan_array(text: bytes) -> Iterator[tuple[int, int]]:
    """Where each value of the JSON array that `text` begins with starts and ends, looked for when asked for.

    Raises:
        ValueError: there is no whole array.

    """
    try:
        position = _after(_ARRAY_START, text, 0)
        while text[position] != _CLOSE_BRACKET:
            end = _value_end(text, position)
            yield position, end
            position = _after(_ARRAY_NEXT, text, end)
    except IndexError as error:
        raise ValueError("not a whole JSON array") from error


def _scan_members(text: bytes, start: int, wanted: Wanted) -> tuple[Members, int]:
    """The wanted members of the object at `start`, and where that ends."""
    members = Members({}, set(), set())
    position = _after(_START, text, start)
    while text[position] == _QUOTE:
        key, value = _scan_key(text, position)
        name = unescape(key)
        inner, end = None, 0
        if wanted.get(name) and text[value] == _OPEN_BRACE:
            inner, end = _scan_members(text, value, wanted[name])
        end = end or _value_end(text, value)
        if name in wanted:
            if b"\\" in key:
                members.escaped.add(name)
            if name in members.first:
                members.doubled.add(name)
            members.first.setdefault(name, Member(position, value, end, inner))
        position = _after(_NEXT, text, end)
    return members, position + 1


def _scan_key(text: bytes, start: int) -> tuple[bytes, int]:
    """The key at `start` without its quotes, and where its value begins."""
    short = _SHORT_KEY.match(text, start)
    if short is not None:
        return short[1], short.end()
    end = _string_end(text, start)
    return text[start + 1 : end - 1], _after(_COLON, text, end)


def _after(pattern: re.Pattern[bytes], text: bytes, start: int) -> int:
    found = pattern.match(text, start)
    if found is None:
        raise ValueError(f"not JSON at byte {start}")
    return found.end()


def _value_end(text: bytes, start: int) -> int:
    short = _SHORT_VALUE.match(text, start)
    if short is not None:
        return short.end()
    if text[start] == _QUOTE:
        return _string_end(text, start)
    if text[start] not in _OPENING:
        raise ValueError(f"not JSON at byte {start}")
    depth, position = 1, start + 1
    while depth:
        position = _after(_FLAT, text, position)
        byte = text[position]
        if byte == _QUOTE:
            position = _string_end(text, position)
        elif byte in _OPENING:
            depth, position = depth + 1, position + 1
        elif byte in _CLOSING:
            depth, position = depth - 1, position + 1
    return position


def _string_end(text: bytes, start: int) -> int:
    """Just after the closing quote of the string at `start`."""
    clean = start + 1  # no escape reaches from before this to behind it
    while True:
        quote = text.index(b'"', clean)
        if quote == clean or text[quote - 1] != _BACKSLASH:
            return quote + 1
        before = text[clean:quote]
        if (len(before) - len(before.rstrip(b"\\"))) % 2 == 0:
            return quote + 1
        clean = _after(_ESCAPES, text, quote - 1)
