"""Requests that may come more than once, and what they make."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

KEY_LIVES = timedelta(hours=24)
"""How long an idempotency key is remembered."""
RETRIED_WITHIN = timedelta(minutes=15)
"""How old an unanswered create may be that a client's silent retry is given."""


class CreateRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request to create an object: by this it is known again when it comes once more.

    With a `key` it is a repetition of the request with the same owner and key. Without one, and sent by a
    client's own retry logic, it may be a repetition of one with the same fingerprint whose answer got lost.
    With an `upload_id` it is a repetition of whichever request has made a file of that upload.
    """

    owner: str
    """of the key: who is calling"""
    fingerprint: str
    """equal for requests of one caller that ask for the same"""
    object_id: str
    """what the object that it makes is called, if it makes one"""
    at: datetime
    """when it came"""
    key: str | None = None
    """its idempotency key"""
    is_retry: bool = False
    """whether the client has sent it before and got no answer"""
    upload_id: str | None = None
    """the upload that it makes a file of; there is no key then"""
    answer_seconds: float = 0.0
    """how long until its answer is sent, at most; the answer of a process that died is waited for so long"""

    @property
    def keys_since(self) -> datetime:
        """Keys that were taken before are forgotten."""
        return self.at - KEY_LIVES

    @property
    def unanswered_since(self) -> datetime:
        """Creates from before are not retried any more."""
        return self.at - RETRIED_WITHIN

    @property
    def answering_until(self) -> datetime:
        """Until when an answer to it may be under way."""
        return self.at + timedelta(seconds=self.answer_seconds)
