"""Turns: whose request goes next where several owners have some waiting. Pure.

The one whose batch expires first goes first, up to half of the room. What is left of the room the others
share alike, so that a few requests of one need not wait for many of another.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple


class Waiting(NamedTuple):
    """An owner with requests that wait."""

    owner: str
    expires_at: datetime
    """of the first of their batches"""
    running: int
    """requests of theirs that are under way"""
    last_turn: int
    """when they had their last turn, in turns of anybody"""


def next_owner(waiting: Collection[Waiting], room: int) -> str | None:
    """Who goes next where `room` requests may be under way at a time; None: nobody may.

    No owner has more than half of the room, at least one place, while another one waits.
    """
    if len(waiting) <= 1:
        return next((each.owner for each in waiting), None)
    most = max(1, room // 2)
    allowed = [each for each in waiting if each.running < most]
    if not allowed:
        return None
    first = min(allowed, key=_by_deadline)
    if room > 1 and first.owner == min(waiting, key=_by_deadline).owner:
        return first.owner
    return min(allowed, key=_by_share).owner


def _by_deadline(each: Waiting) -> tuple[datetime, str]:
    return each.expires_at, each.owner


def _by_share(each: Waiting) -> tuple[int, int, datetime, str]:
    return each.running, each.last_turn, each.expires_at, each.owner
