"""Reads files of a server."""

from __future__ import annotations

from typing import BinaryIO
from urllib.parse import quote

from litebatch_asgi.cli.client.connection import Connection
from litebatch_asgi.cli.client.errors import NoAnswer, Refused
from litebatch_asgi.cli.client.screen import Screen


class RowCount:
    """Counts the lines of content that comes in blocks; blank ones are none."""

    def __init__(self) -> None:
        self._ended = 0
        self._is_open = False

    @property
    def rows(self) -> int:
        """So far, the one that has not ended among them."""
        return self._ended + self._is_open

    def feed(self, block: bytes) -> None:
        """Take the next bytes."""
        *lines, rest = block.split(b"\n")
        for line in lines:
            self._ended += self._is_open or bool(line.strip())
            self._is_open = False
        self._is_open = self._is_open or bool(rest.strip())


def download(connection: Connection, file_id: str, target: BinaryIO, screen: Screen) -> int:
    """Write the content of a file of the server into an empty `target`, again from the start if it is cut.

    Returns how many lines it has.
    """
    failed = 0
    while True:
        try:
            return _once(connection, file_id, target, screen)
        except (NoAnswer, Refused) as error:
            failed += 1
            connection.rest(failed, error, f"reading {file_id}")
        target.seek(0)
        target.truncate()


def _once(connection: Connection, file_id: str, target: BinaryIO, screen: Screen) -> int:
    count, size = RowCount(), 0
    with (
        connection.stream(f"/files/{quote(file_id, safe='')}/content") as stream,
        screen.moving("downloading", stream.size) as seen,
    ):
        for block in stream.blocks:
            target.write(block)
            count.feed(block)
            size += len(block)
            seen(size)
    return count.rows
