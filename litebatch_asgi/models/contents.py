"""Contents: what is in a content store, and who still writes or deletes it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec

DATABASE_STORE = "database"
"""the name of the content store that every database is"""


class ContentState(StrEnum):
    """The life of a content. It never goes back."""

    WRITING = "writing"
    """the bytes may be there, in part or whole; nothing names them"""
    KEPT = "kept"
    """the bytes are there, and a part of a file names them"""
    DELETING = "deleting"
    """nothing names the bytes any more, or ever will"""


class Content(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Bytes in a content store, under a key that is never used again. A `Claim`."""

    key: str
    store: str
    """the store's name in the configuration: `database`, or its URL"""
    state: ContentState = ContentState.WRITING
    bytes: int | None = None
    """None: not known yet"""
    watch_until: datetime | None = None
    """until when the bytes may still appear, for their writer was lost; None: there is nobody who writes"""
    created_at: datetime
    next_check_at: datetime | None = None
    """when it is to be deleted unless somebody has a claim on it; None: never"""
    claimed_by: str | None = None
    claimed_until: datetime | None = None
    epoch: int = 0
    """counts claims; a write that carries an old epoch is refused"""

    @property
    def name(self) -> str:
        """See `Claim`."""
        return f"content {self.key}"

    @property
    def deployment_id(self) -> str | None:
        """See `Claim`: no deployment has it."""
        return None
