"""What was consumed."""

from __future__ import annotations

import msgspec


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens, summed over successful rows. Usages add up."""

    input_tokens: int = 0
    cached_tokens: int = 0
    """those of `input_tokens` that came from a cache"""
    output_tokens: int = 0
    reasoning_tokens: int = 0
    """those of `output_tokens` that were spent on reasoning"""
    total_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            reasoning_tokens=self.reasoning_tokens + other.reasoning_tokens,
            total_tokens=self.total_tokens + other.total_tokens,
        )


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """How many requests there are and how many of them have ended in which way. Counts add up."""

    total: int = 0
    completed: int = 0
    failed: int = 0

    @property
    def done(self) -> int:
        """How many have ended, in whatever way."""
        return self.completed + self.failed

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            total=self.total + other.total,
            completed=self.completed + other.completed,
            failed=self.failed + other.failed,
        )


class UsageBucket(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Tokens of successful requests whose inputs are of a like length, in classes that share no token."""

    above: int = 0
    """tokens: every input was longer; 0: there is no shorter bucket"""
    until: int | None = None
    """tokens: no input was longer; None: there is no longer bucket"""
    requests: int = 0
    plain_input_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    audio_input_tokens: int = 0
    image_input_tokens: int = 0
    plain_output_tokens: int = 0
    reasoning_tokens: int = 0
    """a part of `plain_output_tokens`"""
    audio_output_tokens: int = 0
    image_output_tokens: int = 0


class ChargedUsage(Usage, frozen=True, kw_only=True):
    """What one job consumed of one model: all tokens of its successful requests, as far as they are told.

    `buckets` hold those of them whose usage makes sense, and can be priced.
    """

    requests: int = 0
    """the successful ones"""
    unpriced_requests: int = 0
    """those of them that the cost leaves out"""
    buckets: tuple[UsageBucket, ...] = ()
    """the shortest inputs first"""
