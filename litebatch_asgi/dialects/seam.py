"""The seam between the dialects and what uses them."""

from __future__ import annotations

from typing import Protocol

from litebatch_asgi.dialects.answers import Answer
from litebatch_asgi.errors import Problem


class Dialect(Protocol):
    """How one deployment's provider, which does not speak OpenAI, is told of requests, and what it answers.

    A dialect is pure, keeps nothing between calls, and can be used by several threads at once.
    """

    @property
    def endpoints(self) -> tuple[str, ...]:
        """The urls that lines may have."""
        ...

    @property
    def model(self) -> object:
        """What lines are written for: dialects of one class whose models are equal encode alike."""
        ...

    @property
    def longest_key(self) -> int | None:
        """Characters of what may stand in place of the surrogate that begins an encoded line.

        Letters, digits and `-`; it comes back with the row. None: as many as may be.
        """
        ...

    def encode(self, line: bytes, number: int) -> bytes | Problem:
        """The provider's line for a request, without a newline; or why this provider cannot be given it.

        Args:
            line: a line of OpenAI's form. Whatever bytes these are, nothing is raised.
            number: of the line in its file; the answer comes back with it.

        """
        ...

    def decode(self, row: bytes) -> Answer:
        """What a row of the provider says. Whatever bytes these are, nothing is raised.

        Of a row that makes no sense the outcome is a failure. It may not even tell its line.
        """
        ...
