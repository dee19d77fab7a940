"""Reads lines that are spelled like one already examined, without scanning them token by token."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from litebatch_asgi.jsonl.scan import Member, Wanted, unescape

REQUEST_KEYS: Wanted = {"custom_id": {}, "method": {}, "url": {}, "body": {"model": {}, "stream": {}}}
"""What counts in a request line."""

_PLAIN = rb'[^"\\\x00-\x1f]{0,1024}+'
_ID = re.compile(_PLAIN + rb"(?:\\." + _PLAIN + rb"){0,256}+")
# Stand-ins for what was cut off a body. Neither can merge with what is next to it into another token.
_BEFORE = b'{"":""'
_AFTER = b' "":""}'


class _Body(msgspec.Struct, gc=False):
    model: Any = msgspec.UNSET
    stream: Any = msgspec.UNSET


_decode = msgspec.json.Decoder(_Body).decode


class Token(NamedTuple):
    """A piece of a line, as it is spelled."""

    text: bytes
    back: int
    """from its end to the model's value, which ends it; 0 if it does not end in that"""


class Shape(NamedTuple):
    """How an accepted request line is spelled, but for its custom_id and what else its body holds.

    A file is mostly written by one program, and then all its lines have one shape. What the shape fixes need
    not be looked at again: the keys of the line, its method and url, the body's model and stream. That leaves
    to be shown that the custom_id is a JSON string, and the body an object without another model or stream.
    """

    head: bytes
    """up to the text of the custom_id"""
    lead: Token
    """from the custom_id's closing quote into the body, with the model or stream if the body begins so"""
    opening: bytes
    """what makes an object of the body's rest after `lead`"""
    tokens: tuple[Token, ...]
    """the body's other model or stream, in their order: key, colon and value"""
    tail: bytes
    """what follows the body"""

    @classmethod
    def of(cls, line: bytes, members: Mapping[str, Member]) -> Shape | None:
        """The shape of an accepted line with these members; None: its custom_id comes after its body."""
        custom_id, body = members["custom_id"], members["body"]
        if body.start < custom_id.start or body.inner is None:
            return None
        inside = body.start + 1
        tokens = [_token(line, name, member) for name, member in body.inner.first.items()]
        lead, opening = Token(line[custom_id.end - 1 : inside], 0), b"{"
        first = next(iter(body.inner.first.values()))
        if not line[inside : first.key_start].strip():
            token = tokens.pop(0)
            lead, opening = Token(line[custom_id.end - 1 : first.key_start] + token.text, token.back), _BEFORE
        return cls(line[: custom_id.start + 1], lead, opening, tuple(tokens), line[body.end :])

    def read(self, text: bytes, start: int, end: int) -> tuple[bytes, int] | None:
        """The custom_id in UTF-8 and the offset of the model's value, for the line `text[start:end]`.

        `text` must be valid UTF-8. None: the line is not of this shape, or not acceptable.
        """
        head, (lead, back), opening, tokens, tail = self
        match = _ID.match(text, start + len(head))
        if match is None or not text.startswith(head, start) or not text.startswith(lead, match.end()):
            return None
        position = match.end() + len(lead)
        model = position - back
        if not text.endswith(tail, position, end):
            return None
        for token, back in tokens:
            key = text.find(token, position, end)
            if key < 0 or not _is_neutral(opening + text[position:key] + _AFTER):
                return None
            opening, position = _BEFORE, key + len(token)
            model = position - back if back else model
        if not _is_neutral(opening + text[position : end - len(tail)]):
            return None
        custom_id = _unescaped(match.group())
        return (custom_id, model) if custom_id else None

    def find_model(self, text: bytes, start: int) -> int | None:
        """Where the model's value begins in the line at `start`, which need not be acceptable.

        None: the line does not begin like this shape, or the body does not begin with the model.
        """
        match = _ID.match(text, start + len(self.head))
        if match is None or not self.lead.back or not text.startswith(self.head, start):
            return None
        if not text.startswith(self.lead.text, match.end()):
            return None
        return match.end() + len(self.lead.text) - self.lead.back


def _token(line: bytes, name: str, member: Member) -> Token:
    back = member.end - member.start if name == "model" else 0
    return Token(line[member.key_start : member.end], back)


def _is_neutral(body: bytes) -> bool:
    """Whether `body` is a JSON object without `model` and `stream`, however these may be spelled."""
    try:
        found = _decode(body)
    except (msgspec.DecodeError, RecursionError):
        return False
    return found.model is msgspec.UNSET and found.stream is msgspec.UNSET


def _unescaped(custom_id: bytes) -> bytes | None:
    if b"\\" not in custom_id:
        return custom_id
    try:
        return unescape(custom_id).encode()
    except msgspec.DecodeError:
        return None
