"""The commands of `litebatch deployments` and their options."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

from litebatch_asgi.cli import options
from litebatch_asgi.cli.options import example

DeploymentId: TypeAlias = Annotated[str, typer.Argument(metavar="ID", help="As the list shows it.")]

app: typer.Typer = typer.Typer(
    name="deployments",
    help="Deployments: what is open there; drained, or put back.",
    epilog=example("litebatch deployments list --config litebatch.yaml"),
    no_args_is_help=True,
)


@app.command("list", epilog=example("litebatch deployments list --config litebatch.yaml"))
def list_(
    config: options.Config = None, database: options.Database = None, output: options.Output = None
) -> None:
    """List deployments, with what is open there."""
    from litebatch_asgi.cli import deployments
    from litebatch_asgi.cli.accounts import database_of

    deployments.list_deployments(database_of(config, database), output)


@app.command(epilog=example("litebatch deployments drain eu-general --config litebatch.yaml"))
def drain(deployment: DeploymentId, config: options.Config = None, database: options.Database = None) -> None:
    """Send no new jobs to a deployment, and move its open ones.

    It stays drained until `undrain`, whatever restarts. Jobs that nothing else can take run to their end.
    """
    from litebatch_asgi.cli import deployments
    from litebatch_asgi.cli.accounts import database_of

    deployments.drain(database_of(config, database), deployment)


@app.command(epilog=example("litebatch deployments undrain eu-general --config litebatch.yaml"))
def undrain(
    deployment: DeploymentId, config: options.Config = None, database: options.Database = None
) -> None:
    """Let jobs go to a deployment again."""
    from litebatch_asgi.cli import deployments
    from litebatch_asgi.cli.accounts import database_of

    deployments.undrain(database_of(config, database), deployment)
