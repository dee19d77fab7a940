"""What some of the requests of a batch input have of all that is known of it."""

from __future__ import annotations

from typing import Self

import msgspec
from msgspec.structs import replace

from litebatch_asgi.costs.estimate import BatchInput
from litebatch_asgi.models import LongRequests


class InputShare(msgspec.Struct, frozen=True, kw_only=True):
    """Some requests of a batch input; a `BatchInput` itself."""

    lines: int
    tokens: int
    output_tokens: int | None
    unlimited_answers: int | None
    guessed_tokens: int
    long_requests: tuple[LongRequests, ...] | None

    @classmethod
    def of(cls, whole: BatchInput, *, lines: int, tokens: int) -> Self:
        """So many of its requests, which have so many tokens together.

        What nobody has counted of them is their share of the whole: by requests what is of answers, by tokens
        what is of the requests themselves.
        """

        def by_lines(count: int) -> int:
            return -(-count * lines // max(whole.lines, 1))

        def by_tokens(count: int) -> int:
            return count * tokens // max(whole.tokens, 1)

        if (lines, tokens) == (whole.lines, whole.tokens):
            long = whole.long_requests
        else:
            long = _share(whole.long_requests or (), whole, lines=lines, tokens=tokens)
        return cls(
            lines=lines,
            tokens=tokens,
            output_tokens=None if whole.output_tokens is None else by_lines(whole.output_tokens),
            unlimited_answers=None if whole.unlimited_answers is None else by_lines(whole.unlimited_answers),
            guessed_tokens=min(by_tokens(whole.guessed_tokens), tokens),
            long_requests=long,
        )


def _share(
    every: tuple[LongRequests, ...], whole: BatchInput, *, lines: int, tokens: int
) -> tuple[LongRequests, ...]:
    """Of long requests as much, rounded down: what is left of them counts as short ones."""

    def by_lines(count: int) -> int:
        return count * lines // max(whole.lines, 1)

    shares = (
        replace(
            each,
            requests=by_lines(each.requests),
            tokens=each.tokens * tokens // max(whole.tokens, 1),
            output_tokens=by_lines(each.output_tokens),
            unlimited_answers=by_lines(each.unlimited_answers),
        )
        for each in every
    )
    return tuple(each for each in shares if each.requests)
