"""How results are printed: as a table for people, as JSON lines or plain lines for programs."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from enum import StrEnum

import click
import msgspec

from litebatch_asgi.cli.telling import visible, visible_in_line, visible_json

_SHORT = frozenset(
    (
        "JOB",
        "BATCH",
        "FILE",
        "DONE",
        "AGE",
        "KEY",
        "EXPIRES",
        "CREATED",
        "STATE",
        "LINE",
        "TOKENS IN",
        "TOKENS OUT",
        "COST",
        "AT MOST",
        "STATUS",
        "FAILED",
        "FIELD",
        "BYTES",
        "TIME (UTC)",
    )
)
"""columns that are not broken"""
_SHORT_NAME = 36
"""characters of what stands first in a row and is not broken either: an id has 34"""
_PADDING = 2
"""between two columns"""
_LEAST = 8
"""characters of a line in a column that is broken"""


class Output(StrEnum):
    """The forms in which results are printed."""

    TABLE = "table"
    JSON = "json"
    PLAIN = "plain"


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One result."""

    cells: Sequence[str]
    """for the table, short enough for 80 columns"""
    plain: Sequence[str]
    """for lines that programs take apart"""
    object: object
    """all about it, as the HTTP route gives it: what msgspec can encode"""


def print_rows(
    columns: Sequence[str], rows: Iterable[Row], output: Output | None, *, has_head: bool = True
) -> None:
    """Print results on stdout; without a choice a table on a terminal, and JSON lines elsewhere.

    Plain lines have no head, and tabs between their parts; a table goes on an earlier one without a head.
    """
    match form_of(output):
        case Output.TABLE:
            _print_table(columns, list(rows), has_head=has_head)
        case Output.JSON:
            for row in rows:
                print_object(row.object)
        case Output.PLAIN:
            for row in rows:
                click.echo("\t".join(map(visible_in_line, row.plain)))


def form_of(output: Output | None) -> Output:
    """The form that was chosen, or what is usual here."""
    return output or (Output.TABLE if sys.stdout.isatty() else Output.JSON)


def print_object(shown: object) -> None:
    """Print one JSON line on stdout."""
    line = msgspec.json.encode(shown)
    click.echo(visible_json(line.decode()) if sys.stdout.isatty() else line)


def _print_table(columns: Sequence[str], rows: Sequence[Row], *, has_head: bool) -> None:
    """Where there is no room for what is not broken, the terminal breaks lines itself: ids can be copied."""
    from rich.console import Console  # here: the gateway does without, and starts sooner
    from rich.table import Table
    from rich.text import Text

    console = Console()
    table = Table(
        show_header=has_head,
        box=None,
        pad_edge=False,
        padding=(0, _PADDING, 0, 0),
        header_style="bold",
    )
    least = 0
    for place, column in enumerate(columns):
        longest = max((len(row.cells[place]) for row in rows), default=0)
        is_whole = column in _SHORT or (place == 0 and longest <= _SHORT_NAME)
        table.add_column(column, overflow="fold", no_wrap=is_whole)
        least += max(len(column), longest if is_whole else min(longest, _LEAST)) + _PADDING
    console.width = max(console.width, least)
    for row in rows:
        table.add_row(*(Text(visible(cell)) for cell in row.cells))
    if table.row_count:
        console.print(table)
