"""A run of the suite as a table for a terminal of 80 columns: what has a bar, or something to be beside."""

from __future__ import annotations

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from benchmarks._record import Record
from benchmarks._report import Figure
from benchmarks._suite import Outcome

WIDTH = 80
_GIBIBYTE = 1 << 30


def show(record: Record, console: Console | None = None) -> None:
    """Print it."""
    console = console or Console(width=WIDTH, highlight=False)
    for outcome in record.outcomes:
        console.print(_of(outcome), end="")
    console.print(_foot(record))


def _of(outcome: Outcome) -> RenderableType:
    compared = [figure for figure in outcome.figures if figure.ratio is not None]
    head = Text(f"{outcome.name}, {outcome.seconds:.0f} s", style="bold")
    if outcome.exit_code:
        head.append(f": FAILED, exit code {outcome.exit_code}", style="red")
    if not compared and not outcome.exit_code:
        head.append(f": {len(outcome.figures)} figures without a bar", style="dim")
    table = Table(box=None, show_header=False, padding=(0, 0, 0, 2), width=WIDTH)
    table.add_column(ratio=1, overflow="fold")
    table.add_column(justify="right", max_width=26, overflow="fold")
    table.add_column(justify="right", max_width=15, style="dim")
    table.add_column(width=6)
    for figure in compared:
        table.add_row(Text(figure.what), Text(figure.told), _bar(figure), _verdict(figure))
    return Group(head, table) if compared else Group(head, Text())


def _bar(figure: Figure) -> str:
    return f"{figure.relation} {figure.bar:g}" if figure.bar is not None else ""


def _verdict(figure: Figure) -> Text:
    if figure.held is None:
        return Text()
    return Text("held", style="green") if figure.held else Text("MISSED", style="bold red")


def _foot(record: Record) -> str:
    verdicts = [figure.held for figure in record.figures if figure.held is not None]
    machine, commit = record.machine, record.commit
    versions = ", ".join(f"{name} {version}" for name, version in record.versions.items())
    changes = " with changes" if commit.is_changed else ""
    of = f"commit {commit.id[:12]}{changes}" if commit.id else "no commit"
    how = ", in short forms" if record.is_quick else ""
    return (
        f"{sum(verdicts)} of {len(verdicts)} bars held{how}.\n"
        f"{of}; {versions}\n"
        f"{machine.cpu}, {machine.cores} cores, {machine.memory / _GIBIBYTE:.1f} GiB,"
        f" load {machine.load:g} at the start"
    )
