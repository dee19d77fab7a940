"""What requests have in tokens, by their bytes; images and what they only name, by a guess.

No tokenizer is asked and nothing is fetched. An image has as many tokens as its model makes of it, whether it
stands in the line or is named by URL. Files, stored prompts and earlier responses are named alone.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from litebatch_asgi.jsonl.request_body import NOTHING, Body, Item, read_items

BYTES_PER_TOKEN = 4
IMAGE_TOKENS = 37_000
"""of an image, unless its detail is low

With high detail gpt-4o-mini takes 36,835 for 2048 x 4096 pixels, the most of all models of OpenAI but for
extreme shapes; gpt-4o takes 1,105. Source: OpenAI's guide "Images and vision".
"""
LOW_IMAGE_TOKENS = 2_900
"""of an image with low detail, at most: gpt-4o-mini takes 2,833, gpt-4o 85"""
FILE_TOKENS = 100_000
"""of a file, a stored prompt, an earlier response or a conversation: most of what gpt-4o reads at once"""
MOST_GUESSED_TOKENS = 1_000_000
"""of one request, together: what the models read that read most, such as gpt-4.1"""

_QUOTE = b'"'[0]
_NULLS = (b"", b"null")
_IMAGE_START = b'"data:image'
_ENCODING = b";base64,"
_LONGEST_START = 128
"""bytes of an image up to the end of its encoding's name; of what is compared, none is as long"""


class Guesses(msgspec.Struct, frozen=True, kw_only=True):
    """How many tokens things are assumed to have that nobody counts."""

    image: int = IMAGE_TOKENS
    file: int = FILE_TOKENS


GUESSES = Guesses()


class _Part(msgspec.Struct, gc=False):
    """A part of a message: text, an image, a file."""

    image_url: msgspec.Raw = NOTHING
    detail: msgspec.Raw = NOTHING
    file: msgspec.Raw = NOTHING
    file_id: msgspec.Raw = NOTHING
    file_url: msgspec.Raw = NOTHING
    file_data: msgspec.Raw = NOTHING


class _Image(msgspec.Struct, gc=False):
    """An image as chat completions have it."""

    url: msgspec.Raw = NOTHING
    detail: msgspec.Raw = NOTHING


_decode_part = msgspec.json.Decoder(_Part).decode
_decode_parts = msgspec.json.Decoder(list[_Part]).decode
_decode_image = msgspec.json.Decoder(_Image).decode
_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode


class _Found:
    """What was found in a request."""

    def __init__(self) -> None:
        self.images = self.low_images = self.files = self.spared_bytes = 0


_Guessed: TypeAlias = tuple[int, int]
_NO_GUESS: _Guessed = (0, 0)


def beside_text(body: Body | None, guesses: Guesses) -> _Guessed:
    """How many bytes of a request are no text but images, and how many tokens its guessed parts have.

    This runs for every line of every upload, most of which have nothing but text.
    """
    return _NO_GUESS if body is None or _is_text(body) else _guessed(body, guesses)


def _is_text(body: Body) -> bool:
    """Whether a body plainly has nothing but text: others may all the same."""
    for item in body.messages or ():
        content = item.content
        if content is NOTHING or memoryview(content)[0] != _QUOTE or item.output is not NOTHING:
            return False
    return (
        (body.input is NOTHING or memoryview(body.input)[0] == _QUOTE)
        and (body.prompt is NOTHING or memoryview(body.prompt)[0] == _QUOTE)
        and body.previous_response_id is NOTHING
        and body.conversation is NOTHING
    )


def _guessed(body: Body, guesses: Guesses) -> _Guessed:
    found = _Found()
    for item in (*(body.messages or ()), *read_items(body.input)):
        _look_at(item, found)
    for named in (body.previous_response_id, body.conversation):
        found.files += _start(named) not in _NULLS
    found.files += _start(body.prompt).startswith(b"{")
    low = min(LOW_IMAGE_TOKENS, guesses.image)
    guessed = guesses.image * found.images + low * found.low_images + guesses.file * found.files
    return found.spared_bytes, min(guessed, MOST_GUESSED_TOKENS)


def _look_at(item: Item, found: _Found) -> None:
    for raw in (item.content, item.output):
        start = _start(raw)
        if start.startswith(b"["):
            for part in _parts(raw):
                _count(part, found)
        elif start.startswith(b"{"):
            _count(_decode_part(raw), found)
    found.files += _start(item.type) == b'"item_reference"'


def _parts(raw: msgspec.Raw) -> list[_Part]:
    """The objects of a list. Some servers take texts beside them."""
    try:
        return _decode_parts(raw)
    except msgspec.DecodeError:
        return [_decode_part(each) for each in _decode_list(raw) if _start(each).startswith(b"{")]


def _count(part: _Part, found: _Found) -> None:
    url, detail = part.image_url, part.detail
    if _start(url).startswith(b"{"):
        image = _decode_image(url)
        url, detail = image.url, image.detail
    start = _start(url)
    if start not in _NULLS:
        is_low = _start(detail) == b'"low"'
        found.low_images += is_low
        found.images += not is_low
        if start.startswith(_IMAGE_START) and _ENCODING in start:
            found.spared_bytes += memoryview(url).nbytes
    named = (part.file, part.file_id, part.file_url, part.file_data)
    found.files += any(_start(each) not in _NULLS for each in named)


def _start(raw: msgspec.Raw) -> bytes:
    """The first bytes of a value, which may be long."""
    return bytes(memoryview(raw)[:_LONGEST_START])


def estimated_tokens(size: int) -> int:
    """How many tokens so many bytes of text have."""
    return -(-size // BYTES_PER_TOKEN)
