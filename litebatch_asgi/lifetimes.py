"""How long copies live at their providers, and how long they are of use. Pure: `now` is passed."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from litebatch_asgi.models import File, FileCopy

OUTLIVE = timedelta(hours=48)
"""How much longer than the file its copies live at the provider: a batch may still be reading them."""
WATCH_FOR = timedelta(hours=24)
"""How long something that was given up as unclear may still show up at its provider."""
CLOCKS_DIFFER = timedelta(minutes=5)
"""How far a provider's clock may be from ours."""


class FileLife(msgspec.Struct, frozen=True, kw_only=True):
    """The lives that a provider lets a file be given, in seconds from its creation."""

    shortest: int
    longest: int
    is_required: bool = False
    """a batch's input is given an end even where none is asked for"""

    def granted(self, asked: int | None, *, purpose: str) -> int | None:
        """The life nearest to the one that is asked for; None: for ever."""
        if asked is not None:
            return min(max(asked, self.shortest), self.longest)
        return self.longest if self.is_required and purpose == "batch" else None


def life_to_ask_for(file: File, now: datetime) -> int | None:
    """How many seconds a copy that is made now has to live; None: for ever."""
    if file.expires_at is None:
        return None
    return int((file.expires_at - now + OUTLIVE).total_seconds())


def lasts_until(copy: FileCopy, time: datetime) -> bool:
    """Whether the provider keeps the copy until then, as far as it said."""
    return copy.expires_at is None or copy.expires_at >= time


def made_since(first_try: datetime) -> datetime:
    """From when on a provider's own clock may say that something was made which was asked for then."""
    return first_try - CLOCKS_DIFFER
