"""Reads lines that are spelled like one already examined, without scanning them token by token."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

from msgspec import UNSET, DecodeError

from litebatch_asgi.jsonl.request_body import Body, decode_body, joined
from litebatch_asgi.jsonl.scan import Member, Wanted, unescape

REQUEST_KEYS: Wanted = {"custom_id": {}, "method": {}, "url": {}, "body": {"model": {}, "stream": {}}}
"""What counts in a request line."""

_PLAIN = rb'[^"\\\x00-\x1f]{0,1024}+'
_ID = re.compile(_PLAIN + rb"(?:\\." + _PLAIN + rb"){0,256}+")
# Stand-ins for what was cut off a body. Neither can merge with what is next to it into another token.
_BEFORE = b'{"":""'
_AFTER = b' "":""}'
_NOTHING_MORE = b"}"


Read: TypeAlias = tuple[bytes, int, Body]
"""Of a line: the custom_id in UTF-8, the offset of the model's value, and what counts of the body."""


class Token(NamedTuple):
    """A piece of a line, as it is spelled."""

    text: bytes
    back: int
    """from its end to the model's value, which ends it; 0 if it does not end in that"""
    is_late: bool
    """whether it is nearer to the body's end than to its beginning"""


class Shape(NamedTuple):
    """How an accepted request line is spelled, but for its custom_id and what else its body holds.

    A file is mostly written by one program, and then all its lines have one shape. What the shape fixes need
    not be looked at again: the keys of the line, its method and url, the body's model and stream. That leaves
    to be shown that the custom_id is a JSON string, and the body an object without another model or stream.
    """

    head: bytes
    """up to the text of the custom_id, or into the body if that comes first"""
    lead: bytes
    """from the custom_id's closing quote into the body, or from the body's end to the custom_id's text"""
    back: int
    """from where the body's rest begins to the model's value before; 0 if the body does not begin with it"""
    opening: bytes
    """what makes an object of the body's rest"""
    tokens: tuple[Token, ...]
    """the body's model or stream as far as they do not begin it, in their order: key, colon and value"""
    tail: bytes
    """what follows the body, or from the custom_id's closing quote on"""
    is_id_first: bool

    @classmethod
    def of(cls, line: bytes, members: Mapping[str, Member]) -> Shape | None:
        """The shape of an accepted line with these members; None: its body does not show any."""
        custom_id, body = members["custom_id"], members["body"]
        if body.inner is None:
            return None
        begins, back, opening = body.start + 1, 0, b"{"
        middle = (body.start + body.end) // 2
        tokens = [_token(line, name, member, middle) for name, member in body.inner.first.items()]
        first = next(iter(body.inner.first.values()))
        if not line[begins : first.key_start].strip():
            begins, back, opening = first.end, tokens.pop(0).back, _BEFORE
        id_starts, id_ends, rest = custom_id.start + 1, custom_id.end - 1, tuple(tokens)
        if custom_id.start < body.start:
            lead, tail = line[id_ends:begins], line[body.end :]
            return cls(line[:id_starts], lead, back, opening, rest, tail, True)
        lead, tail = line[body.end : id_starts], line[id_ends:]
        return cls(line[:begins], lead, back, opening, rest, tail, False)

    def read(self, text: bytes, start: int, end: int) -> Read | None:
        """What there is to know of the line `text[start:end]`.

        `text` must be valid UTF-8. None: the line is not of this shape, or not acceptable.
        """
        head, lead, back, opening, tokens, tail, is_id_first = self
        # pieces are cut out and compared, which takes half as long as startswith
        position = start + len(head)
        if text[start:position] != head:
            return None
        if is_id_first:
            match = _ID.match(text, position)
            if match is None:
                return None
            ends, stop = match.end(), end - len(tail)
            position = ends + len(lead)
            if text[ends:position] != lead or stop < position or text[stop:end] != tail:
                return None
        else:
            stop = text.rfind(lead, position, end)
            match = _ID.match(text, stop + len(lead))
            if stop < 0 or match is None or text[match.end() : end] != tail:
                return None
        custom_id: bytes | None = match[0]
        if b"\\" in match[0]:
            custom_id = _unescaped(match[0])
        if not custom_id:
            return None
        if tokens:
            found = self._read_pieces(text, position, stop)
            return (custom_id, *found) if found is not None else None
        body = _neutral(opening + text[position:stop])
        return (custom_id, position - back, body) if body is not None else None

    def _read_pieces(self, text: bytes, position: int, stop: int) -> tuple[int, Body] | None:
        """The offset of the model's value, and what counts of the body, which the tokens cut into pieces."""
        opening, model = self.opening, position - self.back
        pieces: list[Body] = []
        for token, back, is_late in self.tokens:
            # any place of it will do: where it is not the member, what is before or behind it is no JSON
            key = (text.rfind if is_late else text.find)(token, position, stop)
            piece = _neutral(opening + text[position:key] + _AFTER) if key >= 0 else None
            if piece is None:
                return None
            pieces.append(piece)
            opening, position = _BEFORE, key + len(token)
            model = position - back if back else model
        rest = text[position:stop]
        if rest != _NOTHING_MORE:
            body = _neutral(opening + rest)
            if body is None:
                return None
            pieces.append(body)
        return model, joined(pieces) if len(pieces) > 1 else pieces[0]

    def find_model(self, text: bytes, start: int) -> int | None:
        """Where the model's value begins in the line at `start`, which need not be acceptable.

        None: the line does not begin like this shape, or the body does not begin with the model.
        """
        if not self.is_id_first or not self.back or not text.startswith(self.head, start):
            return None
        match = _ID.match(text, start + len(self.head))
        if match is None or not text.startswith(self.lead, match.end()):
            return None
        return match.end() + len(self.lead) - self.back


def _token(line: bytes, name: str, member: Member, middle: int) -> Token:
    back = member.end - member.start if name == "model" else 0
    return Token(line[member.key_start : member.end], back, member.key_start > middle)


def _neutral(body: bytes) -> Body | None:
    """A JSON object without `model` and `stream`, however these may be spelled; None if `body` is not one."""
    try:
        found = decode_body(body)
    except (DecodeError, RecursionError):
        return None
    return found if found.model is UNSET and found.stream is UNSET else None


def _unescaped(custom_id: bytes) -> bytes | None:
    try:
        return unescape(custom_id).encode()
    except DecodeError:
        return None
