"""What each line says, and which batch was the first to run it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec

from .json_values import JSON

DIGEST_BYTES = 16


def digest_of(body: JSON, texts: Sequence[str]) -> bytes:
    """16 bytes that tell what is said in a request, whichever its model and its provider are.

    `texts` are those of its body.
    """
    said = "\0".join(texts).encode("utf-8", "surrogatepass")
    if not said:
        said = msgspec.json.encode({name: body[name] for name in sorted(body) if name != "model"})
    return hashlib.blake2b(said, digest_size=DIGEST_BYTES).digest()


def is_chosen(custom_id: str, share: float) -> bool:
    """Whether a line is among a share of all, by its custom id alone."""
    drawn = hashlib.blake2b(custom_id.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(drawn) < share * 2**64


class LinesRun:
    """The lines that were run in any account, by their digests. For any number of threads."""

    def __init__(self) -> None:
        self._first: dict[bytes, str] = {}

    def run(self, digest: bytes, batch_id: str) -> bool:
        """Note that a batch runs a line; whether no other batch did before."""
        return self._first.setdefault(digest, batch_id) == batch_id

    def is_new(self, digest: bytes) -> bool:
        """Whether no batch has run the line."""
        return digest not in self._first

    def clear(self) -> None:
        """Forget everything."""
        self._first.clear()
