"""What is told to operators of something that has no row of its own: once, not each time it is seen."""

from __future__ import annotations

from datetime import datetime

import msgspec

from litebatch_asgi.models.events import Event


class Telling(msgspec.Struct, frozen=True, kw_only=True):
    """An event that is to be written unless it was told already."""

    event: Event
    """of no batch and no owner"""
    name: str
    """what of the subject is told once, such as `budget.soft 30d`"""
    mark: str | None = None
    """what makes it news though it was told before, such as when a deployment was seen last; None: nothing"""
    until: datetime | None = None
    """from when on it is news again; None: never"""

    @property
    def told(self) -> Told:
        """What is kept of it."""
        return Told(subject=self.event.subject, name=self.name, mark=self.mark, until=self.until)

    def is_news(self, last: Told | None) -> bool:
        """Whether it is to be told, after what was told last under its name."""
        if last is None or (last.until is not None and last.until <= self.event.created_at):
            return True
        return self.mark is not None and self.mark != last.mark


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What was told last of a subject under a name."""

    subject: str
    name: str
    mark: str | None = None
    until: datetime | None = None
