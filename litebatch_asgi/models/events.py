"""Events: what has happened, and to whom it is still to be told."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened, written in the transaction that made it happen."""

    id: str
    subject: str
    """what it happened to: the id of a batch or of a file, a scope of limits, or `deployment:` and its id"""
    seq: int = 0
    """counted from 1 within the subject: drawn when the event is written, whatever it says before

    For scopes and deployments anew once all their events are old enough to be forgotten, `keep_ended_days`.
    """
    type: str
    """such as `batch.completed` or `job.placed`"""
    batch_id: str | None = None
    """the batch that it is about, if it is about one"""
    owner: str | None = None
    """whose batch or file it is about; None: it is for operators alone"""
    payload: dict[str, Any] = {}
    """how things were at that moment"""
    created_at: datetime


class DeliveryState(StrEnum):
    """What becomes of a delivery that is not done."""

    PENDING = "pending"
    """it is tried, now or later"""
    DEAD = "dead"
    """it was tried for long enough, or never can be done; an operator may have it tried again"""


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """An event that a sink has not taken yet. Once it has, there is none."""

    sink: str
    event_id: str
    subject: str
    """the event's, as are the two that follow"""
    seq: int
    owner: str | None = None
    state: DeliveryState = DeliveryState.PENDING
    error: str | None = None
    """why the last attempt failed"""
    attempts: int = 0
    """those that failed"""
    next_check_at: datetime | None = None
    """when it is tried next; None: never"""
    claimed_by: str | None = None
    claimed_until: datetime | None = None
    epoch: int = 0
    """counts claims; a write that carries an old epoch is refused"""
    created_at: datetime


class OutboxItem(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery with its event."""

    delivery: Delivery
    event: Event


class FailedAttempt(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt to deliver that has failed."""

    delivery: Delivery
    error: str
    retry_seconds: float | None
    """until the next one; None: it is dead"""


class RegisteredSink(msgspec.Struct, frozen=True, kw_only=True):
    """A sink as the database knows it: whoever writes events writes deliveries for it."""

    name: str
    is_ordered: bool
    """whether it gets the events of a subject one after another"""


class SinkBacklog(msgspec.Struct, frozen=True, kw_only=True):
    """What a sink has not taken yet."""

    sink: RegisteredSink
    pending: int
    dead: int
    oldest_at: datetime | None
    """since when the oldest of the pending ones waits"""
    last_seen_at: datetime
    """when a process last said that it has this sink"""
