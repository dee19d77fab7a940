"""What goes wrong between the command line and a server.

::

    CommandFailed               exit code 1
    ├── Refused                 the server has answered with an error
    ├── NoAnswer                it has not answered, or stopped in the middle
    └── WrongAnswer             it has answered what nobody asked for
"""

from __future__ import annotations

from collections.abc import Sequence

from litebatch_asgi.cli.failing import CommandFailed
from litebatch_asgi.errors import Problem


class Refused(CommandFailed):
    """The server has answered with an error. `problems` are those of a file's lines, if it names them."""

    def __init__(
        self, message: str, *, status: int, code: str | None = None, problems: Sequence[Problem] = ()
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.problems: tuple[Problem, ...] = tuple(problems)
        self.retry_after: float | None = None
        """seconds that the server asks to wait"""
        self.should_retry: bool | None = None
        """what the server says of another try"""


class NoAnswer(CommandFailed):
    """The server has not answered. What was asked for may have been done."""


class WrongAnswer(CommandFailed):
    """The server has answered what nobody asked for: most likely it is another one than was meant."""
