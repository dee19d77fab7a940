"""Reads lines that are spelled like one already examined, without scanning them token by token."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

import msgspec
from msgspec import UNSET

from litebatch_asgi.jsonl.request_body import Body, joined, read_body
from litebatch_asgi.jsonl.scan import Member, Wanted, unescape

REQUEST_KEYS: Wanted = {"custom_id": {}, "method": {}, "url": {}, "body": {"model": {}, "stream": {}}}
"""What counts in a request line."""

_PLAIN = rb'[^"\\\x00-\x1f]{0,1024}+'
_ID = re.compile(_PLAIN + rb"(?:\\." + _PLAIN + rb"){0,256}+")
# Stand-ins for what was cut off a body. Neither can merge with what is next to it into another token.
_BEFORE = b'{"":""'
_AFTER = b' "":""}'


Read: TypeAlias = tuple[bytes, int, Body]
"""Of a line: the custom_id in UTF-8, the offset of the model's value, and what counts of the body."""


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

    def read(self, text: bytes, start: int, end: int) -> Read | None:
        """What there is to know of the line `text[start:end]`.

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
        pieces: list[Body] = []
        for token, back in tokens:
            key = text.find(token, position, end)
            piece = _neutral(opening + text[position:key] + _AFTER) if key >= 0 else None
            if piece is None:
                return None
            pieces.append(piece)
            opening, position = _BEFORE, key + len(token)
            model = position - back if back else model
        body = _neutral(opening + text[position : end - len(tail)])
        custom_id = _unescaped(match.group())
        if body is None or not custom_id:
            return None
        return custom_id, model, joined([*pieces, body]) if pieces else body

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


def _neutral(body: bytes) -> Body | None:
    """A JSON object without `model` and `stream`, however these may be spelled; None if `body` is not one."""
    found = read_body(body)
    return found if found is not None and found.model is UNSET and found.stream is UNSET else None


def _unescaped(custom_id: bytes) -> bytes | None:
    if b"\\" not in custom_id:
        return custom_id
    try:
        return unescape(custom_id).encode()
    except msgspec.DecodeError:
        return None
