"""Answers before they are sent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec


class FileBody(msgspec.Struct, frozen=True, kw_only=True):
    """A body that lies on the disk."""

    path: Path
    bytes: int
    offset: int = 0
    """where it begins in the file"""


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """An answer before it is sent."""

    status: int = 200
    headers: dict[str, str] = {}
    body: bytes | FileBody

    @property
    def size(self) -> int:
        """Bytes of the body."""
        return self.body.bytes if isinstance(self.body, FileBody) else len(self.body)


def json_reply(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Reply:
    """`value` as a JSON answer."""
    return Reply(
        status=status,
        headers={"content-type": "application/json", **(headers or {})},
        body=msgspec.json.encode(value),
    )


class Interrupted(Exception):
    """Something puts an end to the call: `reply` is its answer, None cuts the connection."""

    def __init__(self, reply: Reply | None) -> None:
        super().__init__()
        self.reply = reply
