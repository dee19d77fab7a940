"""The commands of `litebatch database` and their options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

Config: TypeAlias = Annotated[
    Path | None, typer.Option("--config", help="The gateway's: its database is meant.")
]
Database: TypeAlias = Annotated[
    str | None, typer.Option("--database", metavar="URL", help="In place of the configuration's.")
]
Prefix: TypeAlias = Annotated[
    str, typer.Option("--table-prefix", metavar="TEXT", help="Of a host's database, such as litebatch_.")
]
Yes: TypeAlias = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
Force: TypeAlias = Annotated[
    bool, typer.Option("--force", help="Although processes were alive on it within the last minute.")
]

app: typer.Typer = typer.Typer(
    name="database",
    help="Where a gateway's database lives: after a move, or for a copy. Stop its processes first.",
    no_args_is_help=True,
)


@app.command()
def moved(
    config: Config = None,
    database: Database = None,
    prefix: Prefix = "",
    yes: Yes = False,
    force: Force = False,
) -> None:
    """It was moved or restored, and nothing uses the one that it comes from: go on with it here."""
    from litebatch_asgi.cli import database as commands
    from litebatch_asgi.cli.keys import database_of

    commands.moved(database_of(config, database), prefix, yes=yes, force=force)


@app.command()
def copied(
    config: Config = None,
    database: Database = None,
    prefix: Prefix = "",
    yes: Yes = False,
    force: Force = False,
) -> None:
    """It is a copy, and its original lives on: leave that one's jobs and files alone, and begin anew here."""
    from litebatch_asgi.cli import database as commands
    from litebatch_asgi.cli.keys import database_of

    commands.copied(database_of(config, database), prefix, yes=yes, force=force)
