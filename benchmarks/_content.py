"""The batch input file that is sent through the gateway, made while it is sent."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

VIRTUAL_MODEL = "gpt-4o-batch"
UPSTREAM_MODEL = "gpt-4o-mini-2024-07-18"
BLOCK_BYTES = 1 << 20

_ID_DIGITS = 8
_AFTER_ID = '", "method": "POST", "url": "/v1/chat/completions", "body": {"model": '
_AFTER_MODEL = ', "messages": [{"role": "user", "content": "'
_END = '"}], "max_tokens": 512}}\n'
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

    @property
    def size(self) -> int:
        """In bytes."""
        return self.lines * (self.line_bytes + len(self.model) - len(VIRTUAL_MODEL))

    def blocks(self, first: int = 0, count: int | None = None) -> Iterator[bytes]:
        """So many lines, None: all, from one on, in blocks of whole lines, of about `BLOCK_BYTES` each."""
        head = b'{"custom_id": "request-'
        rests = [self._rest(start) for start in range(len(_SENTENCES))]
        at_once = max(1, BLOCK_BYTES // self.line_bytes)
        end = self.lines if count is None else first + count
        for start in range(first, end, at_once):
            numbers = range(start, min(start + at_once, end))
            yield b"".join(b"%b%08d%b" % (head, n, rests[n % len(rests)]) for n in numbers)

    def _rest(self, start: int) -> bytes:
        """A line from behind its number on, whose text begins with the sentence `start`."""
        opening = f'{_AFTER_ID}"{VIRTUAL_MODEL}"{_AFTER_MODEL}'.encode()
        room = self.line_bytes - len('{"custom_id": "request-') - _ID_DIGITS - len(opening) - len(_END)
        text = b""
        for turn in range(self.line_bytes):
            sentence = _SENTENCES[(start + turn) % len(_SENTENCES)].encode()
            if len(text) + len(sentence) > room:
                break
            text += sentence
        opening = f'{_AFTER_ID}"{self.model}"{_AFTER_MODEL}'.encode()
        return opening + text + b"x" * (room - len(text)) + _END.encode()
