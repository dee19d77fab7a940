"""The commands of `litebatch database` and their options."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from litebatch_asgi.cli import options
from litebatch_asgi.cli.groups import Group
from litebatch_asgi.cli.options import example

F = TypeVar("F", bound=Callable[..., Any])

app: Group = Group(
    "database",
    help="Where a gateway's database lives, after a move or for a copy.",
    epilog=example("litebatch database moved --config litebatch.yaml"),
)


def _of_move(command: F) -> F:
    """Add the options that both commands have."""
    prefix = click.option(
        "--table-prefix",
        "prefix",
        default="",
        show_default=False,
        metavar="TEXT",
        help="Of a host's database, such as litebatch_.",
    )
    force = click.option(
        "--force", is_flag=True, help="Although processes were alive on it within the last minute."
    )
    return options.of_database(prefix(options.yes(force(command))))


@app.command(epilog=example("litebatch database moved --database sqlite:///litebatch.db"))
@_of_move
def moved(config: Path | None, database: str | None, prefix: str, *, yes: bool, force: bool) -> None:
    """Go on with a database that was moved or restored.

    Nothing may use the one that it comes from any more. Stop its processes first.
    """
    from litebatch_asgi.cli import database as commands
    from litebatch_asgi.cli.accounts import database_of

    commands.moved(database_of(config, database), prefix, yes=yes, force=force)


@app.command(epilog=example("litebatch database copied --database sqlite:///litebatch.db"))
@_of_move
def copied(config: Path | None, database: str | None, prefix: str, *, yes: bool, force: bool) -> None:
    """Make a copy of a database an installation of its own.

    The original lives on: its jobs and files are left alone. Stop the copy's processes first.
    """
    from litebatch_asgi.cli import database as commands
    from litebatch_asgi.cli.accounts import database_of

    commands.copied(database_of(config, database), prefix, yes=yes, force=force)
