"""The commands of `litebatch database` and their options."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

from litebatch_asgi.cli import options
from litebatch_asgi.cli.options import example

Prefix: TypeAlias = Annotated[
    str, typer.Option("--table-prefix", metavar="TEXT", help="Of a host's database, such as litebatch_.")
]
Force: TypeAlias = Annotated[
    bool, typer.Option("--force", help="Although processes were alive on it within the last minute.")
]

app: typer.Typer = typer.Typer(
    name="database",
    help="Where a gateway's database lives, after a move or for a copy.",
    epilog=example("litebatch database moved --config litebatch.yaml"),
    no_args_is_help=True,
)


@app.command(epilog=example("litebatch database moved --database sqlite:///litebatch.db"))
def moved(
    config: options.Config = None,
    database: options.Database = None,
    prefix: Prefix = "",
    yes: options.Yes = False,
    force: Force = False,
) -> None:
    """Go on with a database that was moved or restored.

    Nothing may use the one that it comes from any more. Stop its processes first.
    """
    from litebatch_asgi.cli import database as commands
    from litebatch_asgi.cli.accounts import database_of

    commands.moved(database_of(config, database), prefix, yes=yes, force=force)


@app.command(epilog=example("litebatch database copied --database sqlite:///litebatch.db"))
def copied(
    config: options.Config = None,
    database: options.Database = None,
    prefix: Prefix = "",
    yes: options.Yes = False,
    force: Force = False,
) -> None:
    """Make a copy of a database an installation of its own.

    The original lives on: its jobs and files are left alone. Stop the copy's processes first.
    """
    from litebatch_asgi.cli import database as commands
    from litebatch_asgi.cli.accounts import database_of

    commands.copied(database_of(config, database), prefix, yes=yes, force=force)
