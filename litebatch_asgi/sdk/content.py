"""The content of a provider's file, kept on this machine's disk while it is of use."""

from __future__ import annotations

import json
import weakref
from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import IO, Any

BLOCK_BYTES = 1 << 20


class FileContent:
    """What a file holds. It is on disk, without a name, and in memory only as far as it is asked for.

    `await afile_content(...)` has read the whole file from the provider.
    """

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file = file
        self._size = size
        weakref.finalize(self, file.close)

    def __len__(self) -> int:
        return self._size

    def __repr__(self) -> str:
        return f"<FileContent of {self._size} bytes>"

    @property
    def content(self) -> bytes:
        """All of it."""
        self._file.seek(0)
        return self._file.read()

    @property
    def text(self) -> str:
        """All of it as text, in UTF-8."""
        return self.content.decode("utf-8", "replace")

    def read(self) -> bytes:
        """All of it."""
        return self.content

    def json(self) -> Any:
        """All of it, where it is one JSON value; results are one a line: see `iter_lines`."""
        return json.loads(self.content)

    def iter_bytes(self, chunk_size: int = BLOCK_BYTES) -> Iterator[bytes]:
        """The content in blocks."""
        for start in range(0, self._size, chunk_size):
            self._file.seek(start)
            yield self._file.read(chunk_size)

    def iter_lines(self) -> Iterator[str]:
        """The lines, without their ends; held one at a time."""
        start = 0
        while start < self._size:
            self._file.seek(start)
            line = self._file.readline()
            start += len(line)
            yield line.decode("utf-8", "replace").rstrip("\r\n")

    def write_to_file(self, path: str | PathLike[str]) -> None:
        """Write it to a file."""
        with Path(path).open("wb") as target:
            target.writelines(self.iter_bytes())
