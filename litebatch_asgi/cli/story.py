"""How the demo tells what it does: numbered steps, the call that makes each, and what came back."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.padding import Padding
from rich.table import Table

INDENT = 3


class DemoFailed(Exception):
    """A step did not come out as it must."""


class Story:
    """Prints the demo. Lines are left to the terminal to wrap, so that they can be copied."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._steps = 0

    def step(self, title: str, request: str, call: str) -> None:
        """Begin a step, with the HTTP request that it is and the line of Python that makes it."""
        self._steps += 1
        self._line(f"\n{self._steps}. {title}", style="bold")
        self._line(f"{'':{INDENT}}{request}", style="dim")
        for line in call.splitlines():
            self._line(f"{'':{INDENT}}{line}", style="cyan")

    def fact(self, name: str, value: object) -> None:
        """Tell one thing that came back."""
        self._line(f"{'':{INDENT}}{name:<13} {value}")

    def rows(self, columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
        """Show a few rows."""
        table = Table(*columns, box=None, pad_edge=False, header_style="dim")
        for row in rows:
            table.add_row(*row)
        self._console.print(Padding(table, (0, 0, 0, INDENT)), markup=False, highlight=False)

    def say(self, text: str) -> None:
        """Print a text as it is."""
        self._line(text)

    def _line(self, text: str, style: str | None = None) -> None:
        self._console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)


def expect(holds: bool, what: str) -> None:
    """Raise `DemoFailed` unless `what` holds."""
    if not holds:
        raise DemoFailed(f"the demo expected that {what}")
