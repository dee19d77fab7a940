"""What handlers of the page answer with."""

from __future__ import annotations

import msgspec
from htpy import Node


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A page to show."""

    title: str
    content: Node
    """what is inside of `main`"""
    status: int = 200
    is_live: bool = False
    """whether the page follows what happens, as long as it is looked at"""


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """Another page is to be looked at, after something was done (303 See Other)."""

    path: str
    """within the page, such as `/batches/batch_lb...`, with its query"""
    notice: str | None = None
    """what was done: shown there once"""
