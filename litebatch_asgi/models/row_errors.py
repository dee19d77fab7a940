"""How requests of a batch have failed."""

from __future__ import annotations

import msgspec


class RowError(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What requests that have failed alike have in common; as a choice of such requests: what they must have.

    In a choice None stands for anything.
    """

    status: int | None = None
    """of the answer, if there was one"""
    code: str | None = None
    """the error's `code`, or its `type` where it has none"""
    message: str | None = None
    """the error's message, with `#` in place of words that hold digits"""

    def fits(self, error: RowError) -> bool:
        """Whether an error has all that is told here."""
        return (
            self.status in (None, error.status)
            and self.code in (None, error.code)
            and self.message in (None, error.message)
        )
