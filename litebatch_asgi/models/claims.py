"""What all rows that are worked on have in common: one worker at a time holds a claim on them."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Protocol


class Work(StrEnum):
    """What is to be done with a due job. Each kind has places of its own, so that none waits for another."""

    PLACE = "place"
    """to be given to a deployment, or to be withdrawn"""
    LOOK = "look"
    """to be looked at where it runs"""
    SEARCH = "search"
    """to be searched for by its tag"""
    SETTLE = "settle"
    """its results are to be read"""


class Claim(Protocol):
    """A row that is claimed before somebody works on it, such as a job or a copy.

    Due is a row whose `next_check_at` has come and that nobody has a running claim on. Claiming sets
    `claimed_by` and `claimed_until` and raises `epoch` by one; a write that carries an old epoch is refused.
    """

    @property
    def name(self) -> str:
        """What the row is called in the log and in errors."""
        ...

    @property
    def deployment_id(self) -> str | None:
        """Where the work is to be done; None: anywhere."""
        ...

    @property
    def next_check_at(self) -> datetime | None:
        """When somebody has to look at it; None: never."""
        ...

    @property
    def claimed_by(self) -> str | None:
        """The worker that holds it."""
        ...

    @property
    def claimed_until(self) -> datetime | None:
        """When the claim ends unless it is renewed."""
        ...

    @property
    def epoch(self) -> int:
        """How often it was claimed."""
        ...
