"""The commands of `litebatch teams` and their options."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from litebatch_asgi.cli import account_options, options
from litebatch_asgi.cli.account_commands import Accounts, Words, add_commands
from litebatch_asgi.cli.groups import Group
from litebatch_asgi.cli.options import example
from litebatch_asgi.cli.output import Output

app: Group = Group(
    "teams",
    help="Teams, whose keys share files, batches and limits.",
    epilog=example("litebatch teams list --config litebatch.yaml"),
)


@app.command(epilog=example("litebatch teams create search --model gpt-4o-batch --max-open-batches 10"))
@click.argument("team", required=False, help="Its id; a random one unless told.")
@click.option("--alias", metavar="NAME", help="A name for it.")
@account_options.models
@account_options.inherit
@account_options.limits
@options.of_database
@options.output
def create(
    team: str | None,
    alias: str | None,
    model: tuple[str, ...],
    *,
    inherit: bool,
    config: Path | None,
    database: str | None,
    output: Output | None,
    **limits: Any,
) -> None:
    """Make a team and print its id."""
    from litebatch_asgi.cli import teams
    from litebatch_asgi.cli.accounts import database_of
    from litebatch_asgi.server.keys.bodies import NewTeamFields

    fields = NewTeamFields(
        team_id=team,
        team_alias=alias,
        models=list(model) or None,
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
