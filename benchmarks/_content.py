"""The batch input file that is sent through the gateway, made while it is sent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import msgspec

VIRTUAL_MODEL = "gpt-4o-batch"
UPSTREAM_MODEL = "gpt-4o-mini-2024-07-18"
BLOCK_BYTES = 1 << 20

_ID_DIGITS = 8
_ID = '"custom_id": "request-'
_CALL = '"method": "POST", "url": "/v1/chat/completions"'
_TEXT = '"messages": [{"role": "user", "content": "'
_END = '"}]'
_LIMIT = '"max_tokens": 512'
_SENTENCES = (
    "Summarise what follows in two sentences. ",
    r"She said: \"take the earlier train\", and left.\n\n",
    "Write to the café by the river, they answer within a day. ",
    r"The total came to 1\u202f234 at the end of the quarter.\n",
)
"""as they stand in the file: with escapes, and with a letter outside ASCII that is none"""


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """A file of requests that are alike, as programs write them."""

    lines: int
    line_bytes: int
    """of one line with the virtual model, newline included"""
    model: str = VIRTUAL_MODEL
    """what the lines name"""
    spelling: Literal["plain", "sorted", "crlf"] = "plain"
    """`sorted`: with sorted keys, the custom_id behind the body; `crlf`: lines end as on Windows"""

    @property
    def size(self) -> int:
        """In bytes."""
        return self.lines * (self.line_bytes + len(self.model) - len(VIRTUAL_MODEL))

    def blocks(self, first: int = 0, count: int | None = None) -> Iterator[bytes]:
        """So many lines, None: all, from one on, in blocks of whole lines, of about `BLOCK_BYTES` each."""
        around = [self._around(start) for start in range(len(_SENTENCES))]
        at_once = max(1, BLOCK_BYTES // self.line_bytes)
        end = self.lines if count is None else first + count
        for start in range(first, end, at_once):
            numbers = range(start, min(start + at_once, end))
            lines = ((around[n % len(around)], n) for n in numbers)
            yield b"".join(b"%b%08d%b" % (head, n, rest) for (head, rest), n in lines)

    def _around(self, start: int) -> tuple[bytes, bytes]:
        """What is before and behind the number of a line whose text begins with the sentence `start`."""
        room = self.line_bytes - _ID_DIGITS - sum(map(len, self._line(VIRTUAL_MODEL, b"")))
        text = b""
        for turn in range(self.line_bytes):
            sentence = _SENTENCES[(start + turn) % len(_SENTENCES)].encode()
            if len(text) + len(sentence) > room:
                break
            text += sentence
        return self._line(self.model, text + b"x" * (room - len(text)))

    def _line(self, model: str, text: bytes) -> tuple[bytes, bytes]:
        named, said = f'"model": "{model}"'.encode(), _TEXT.encode() + text + _END.encode()
        newline = b"\r\n" if self.spelling == "crlf" else b"\n"
        if self.spelling == "sorted":
            body = b"{%b, %b, %b}" % (_LIMIT.encode(), said, named)
            return b'{"body": %b, %b' % (body, _ID.encode()), f'", {_CALL}}}'.encode() + newline
        body = b"{%b, %b, %b}" % (named, said, _LIMIT.encode())
        return f"{{{_ID}".encode(), b'", %b, "body": %b}%b' % (_CALL.encode(), body, newline)
