"""What the lines of a batch input have in bytes, and their images in tokens."""

from __future__ import annotations

BYTES_PER_TOKEN = 4
"""What tokens are estimated by: no tokenizer is asked."""
IMAGE_TOKENS = 1_000
"""of an image that stands in a line, at most

With high detail OpenAI's gpt-4o takes 765 for 1024 x 1024 pixels and 1,105 for 2048 x 4096, gpt-4.1 takes
1,024 and at most 1,536. Source: OpenAI's guide "Images and vision".
"""
IMAGE_BYTES = IMAGE_TOKENS * BYTES_PER_TOKEN
"""A smaller image, and so each one in a line that is not longer, counts by its bytes."""

_START = b'"data:image'
_ENCODING = b";base64,"
_MOST_BEFORE = 128
"""bytes from the start of an image to the end of its encoding's name"""
_BACKSLASH = b"\\"[0]


def spared_bytes(text: bytes, start: int, end: int) -> int:
    """How many bytes of the line `text[start:end]` do not count, for they make an image that costs less.

    An image is a JSON string that begins with `data:image/` and is encoded in base64.
    """
    spared, image = 0, text.find(_START, start, end)
    while image >= 0:
        after = image + len(_START)
        is_text = text[image - 1] == _BACKSLASH  # JSON within a string
        if not is_text and text.find(_ENCODING, after, min(after + _MOST_BEFORE, end)) >= 0:
            after = text.find(b'"', after, end) + 1 or end
            spared += max(0, after - image - IMAGE_BYTES)
        image = text.find(_START, after, end)
    return spared


def estimated_tokens(size: int) -> int:
    """How many tokens so many bytes have."""
    return -(-size // BYTES_PER_TOKEN)
