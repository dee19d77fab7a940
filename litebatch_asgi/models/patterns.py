"""Patterns of virtual models' names: which of several a name fits best, and whether that one is wanted."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec


class ModelPattern(msgspec.Struct, frozen=True, kw_only=True):
    """One name, or all names that begin alike, and whether what fits it best is wanted."""

    start: str
    """the name; of several names what they begin with"""
    is_whole: bool
    """whether nothing may follow"""
    is_wanted: bool

    @classmethod
    def of(cls, name: str, *, is_wanted: bool) -> ModelPattern:
        """The pattern of a virtual model's name, which may end in `*`."""
        is_whole = not name.endswith("*")
        return cls(start=name if is_whole else name[:-1], is_whole=is_whole, is_wanted=is_wanted)

    def fits(self, model: str) -> bool:
        """Whether a virtual model is one of them."""
        return model == self.start if self.is_whole else model.startswith(self.start)


def is_wanted(patterns: Iterable[ModelPattern], model: str) -> bool:
    """Whether the best of the patterns is one of what is wanted: a whole name, else the longest beginning."""
    fitting = [pattern for pattern in patterns if pattern.fits(model)]
    best = max(fitting, key=lambda pattern: (pattern.is_whole, len(pattern.start)), default=None)
    return best is not None and best.is_wanted
