"""How long copies live at their providers, and how long they are of use. Pure: `now` is passed."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from litebatch_asgi.models import File, FileCopy
from litebatch_asgi.wire.requests import USUAL_WINDOW, window_of

RESULTS_LIVE_SECONDS = 2_592_000
"""30 days, as long as OpenAI keeps files of purpose `batch` and batch results unless told otherwise."""
OUTLIVE = timedelta(hours=48)
"""How much longer than the file its copies live at the provider: a batch may still be reading them."""
WATCH_FOR = timedelta(hours=24)
"""How long something that was given up as unclear may still show up at its provider."""
CLOCKS_DIFFER = timedelta(minutes=5)
"""How far a provider's clock may be from ours."""
LONGEST_WINDOW = window_of(USUAL_WINDOW)
RENEWED_EARLY = timedelta(hours=24)
"""How long a copy that its provider drops before its file may take to be made anew."""


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


def life_to_ask_for(expires_at: datetime | None, now: datetime) -> int | None:
    """How many seconds a copy that is made now has to live; None: for ever.

    `expires_at` is when what it is of expires. If it has, a batch that goes on needs the copy.
    """
    if expires_at is None:
        return None
    left = expires_at - now
    return int(((left if left > timedelta() else LONGEST_WINDOW) + OUTLIVE).total_seconds())


def lasts_until(copy: FileCopy, time: datetime) -> bool:
    """Whether the provider keeps the copy until then, as far as it said."""
    return copy.expires_at is None or copy.expires_at >= time


def life_of(copy: FileCopy) -> timedelta | None:
    """The life that the provider gave a copy; None: for ever, or nobody knows."""
    if copy.expires_at is None or copy.ready_at is None:
        return None
    return copy.expires_at - copy.ready_at


def renew_at(copy: FileCopy, file: File) -> datetime | None:
    """When a copy is made anew, be it needed or not; None: never, for it outlives its file.

    Early enough for batches that begin at any time until the file expires. A copy that lives for less than a
    window is of no use to any batch and is not made again and again.
    """
    life = life_of(copy)
    if life is None or copy.expires_at is None or copy.ready_at is None:
        return None
    if file.expires_at is not None and lasts_until(copy, file.expires_at - CLOCKS_DIFFER):
        return None
    if life < LONGEST_WINDOW + CLOCKS_DIFFER:
        return None
    return max(copy.expires_at - LONGEST_WINDOW - RENEWED_EARLY, copy.ready_at + life / 2)


def would_last(copy: FileCopy, until: datetime, now: datetime) -> bool:
    """Whether the copy lasts until then, or would if it were made anew now, as far as the provider said."""
    life = life_of(copy)
    return lasts_until(copy, until) or (life is not None and now + life >= until + CLOCKS_DIFFER)


def made_since(first_try: datetime) -> datetime:
    """From when on a provider's own clock may say that something was made which was asked for then."""
    return first_try - CLOCKS_DIFFER
