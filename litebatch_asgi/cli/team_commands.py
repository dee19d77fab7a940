"""The commands of `litebatch teams` and their options."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

from litebatch_asgi.cli import options
from litebatch_asgi.cli.options import example

TeamId: TypeAlias = Annotated[str, typer.Argument(metavar="TEAM", help="Its id.")]

app: typer.Typer = typer.Typer(
    name="teams",
    help="Teams, whose keys share files, batches and limits.",
    epilog=example("litebatch teams list --config litebatch.yaml"),
    no_args_is_help=True,
)


@app.command(epilog=example("litebatch teams create search --model gpt-4o-batch --max-open-batches 10"))
def create(
    team: Annotated[
        str | None, typer.Argument(metavar="[TEAM]", help="Its id.", show_default="a random one")
    ] = None,
    alias: Annotated[str | None, typer.Option("--alias", metavar="NAME", help="A name for it.")] = None,
    model: options.Models = None,
    inherit: options.Inherit = False,
    max_batch_requests: options.MaxBatchRequests = None,
    max_open_batches: options.MaxOpenBatches = None,
    max_enqueued_requests: options.MaxEnqueuedRequests = None,
    max_enqueued_tokens: options.MaxEnqueuedTokens = None,
    max_file_bytes: options.MaxFileBytes = None,
    max_files: options.MaxFiles = None,
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
        max_batch_requests=max_batch_requests,
        max_open_batches=max_open_batches,
        max_enqueued_requests=max_enqueued_requests,
        max_enqueued_tokens=max_enqueued_tokens,
        max_file_bytes=max_file_bytes,
        max_files=max_files,
    )
    teams.create(database_of(config, database), fields, output=output)


@app.command("list", epilog=example("litebatch teams list --output json --database sqlite:///litebatch.db"))
def show(
    config: options.Config = None, database: options.Database = None, output: options.Output = None
) -> None:
    """List all teams, newest first."""
    from litebatch_asgi.cli import teams
    from litebatch_asgi.cli.accounts import database_of

    teams.show(database_of(config, database), output=output)


@app.command(epilog=example("litebatch teams block search"))
def block(team: TeamId, config: options.Config = None, database: options.Database = None) -> None:
    """Block all keys of a team, until it is unblocked."""
    from litebatch_asgi.cli import teams
    from litebatch_asgi.cli.accounts import database_of

    teams.set_blocked(database_of(config, database), team, blocked=True)


@app.command(epilog=example("litebatch teams unblock search"))
def unblock(team: TeamId, config: options.Config = None, database: options.Database = None) -> None:
    """Let the keys of a blocked team go on."""
    from litebatch_asgi.cli import teams
    from litebatch_asgi.cli.accounts import database_of

    teams.set_blocked(database_of(config, database), team, blocked=False)


@app.command(epilog=example("litebatch teams delete search --yes"))
def delete(
    team: TeamId, config: options.Config = None, database: options.Database = None, yes: options.Yes = False
) -> None:
    """Delete a team with its keys; files and batches stay."""
    from litebatch_asgi.cli import teams
    from litebatch_asgi.cli.accounts import database_of

    teams.delete(database_of(config, database), team, yes=yes)
