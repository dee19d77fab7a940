"""What tells a file from another one: how many bytes it has, and which."""

from __future__ import annotations

import hashlib


class FileDigest:
    """The size and SHA-256 of a file that is fed in consecutive blocks of any size."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        self._last = b"\n"
        self.size: int = 0
        """bytes so far"""

    def feed(self, block: bytes) -> None:
        """Take the next bytes of the file."""
        self._sha256.update(block)
        self.size += len(block)
        self._last = block[-1:] or self._last

    def hexdigest(self) -> str:
        """The SHA-256 of what came so far, in hexadecimal."""
        return self._sha256.hexdigest()

    @property
    def ends_in_newline(self) -> bool:
        """Whether a row can be appended as it is; so it can where there is nothing."""
        return self._last == b"\n"
