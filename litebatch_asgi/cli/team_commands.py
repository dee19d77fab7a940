"""The commands of `litebatch teams` and their options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from litebatch_asgi.cli import options
from litebatch_asgi.cli.account_commands import Accounts, Words, add_commands
from litebatch_asgi.cli.account_options import with_limits
from litebatch_asgi.cli.options import example

app: typer.Typer = typer.Typer(
    name="teams",
    help="Teams, whose keys share files, batches and limits.",
    epilog=example("litebatch teams list --config litebatch.yaml"),
    no_args_is_help=True,
)


@app.command(epilog=example("litebatch teams create search --model gpt-4o-batch --max-open-batches 10"))
@with_limits
def create(
    team: Annotated[
        str | None, typer.Argument(metavar="TEAM", help="Its id.", show_default="a random one")
    ] = None,
    alias: Annotated[str | None, typer.Option("--alias", metavar="NAME", help="A name for it.")] = None,
    model: options.Models = None,
    inherit: options.Inherit = False,
    *,
    limits: Mapping[str, Any],
    config: options.Config = None,
    database: options.Database = None,
    output: options.Output = None,
) -> None:
    """Make a team and print its id."""
    from litebatch_asgi.cli import teams
    from litebatch_asgi.cli.accounts import database_of
    from litebatch_asgi.server.keys.bodies import NewTeamFields

    fields = NewTeamFields(
        team_id=team,
        team_alias=alias,
        models=model,
        inherit=inherit,
        **limits,
    )
    teams.create(database_of(config, database), fields, output=output)


def _teams() -> Accounts:
    from litebatch_asgi.cli import teams

    return teams


add_commands(
    app,
    Words(
        plural="teams",
        argument="TEAM",
        named_by="Its id.",
        block="Block all keys of a team, until it is unblocked.",
        unblock="Let the keys of a blocked team go on.",
        delete="Delete a team with its keys; files and batches stay.",
        example="search",
    ),
    _teams,
)
