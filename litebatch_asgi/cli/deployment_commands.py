"""The commands of `litebatch deployments` and their options."""

from __future__ import annotations

from pathlib import Path

import click

from litebatch_asgi.cli import options
from litebatch_asgi.cli.groups import Group
from litebatch_asgi.cli.options import example
from litebatch_asgi.cli.output import Output

app: Group = Group(
    "deployments",
    help="Deployments: what is open there; drained, or put back.",
    epilog=example("litebatch deployments list --config litebatch.yaml"),
)
_of_one = click.argument("deployment", metavar="ID", help="As the list shows it.")


@app.command("list", epilog=example("litebatch deployments list --config litebatch.yaml"))
@options.of_database
@options.output
def list_(config: Path | None, database: str | None, output: Output | None) -> None:
    """List deployments, with what is open there."""
    from litebatch_asgi.cli import deployments
    from litebatch_asgi.cli.accounts import database_of

    deployments.list_deployments(database_of(config, database), output)


@app.command(epilog=example("litebatch deployments drain eu-general --config litebatch.yaml"))
@_of_one
@options.of_database
def drain(deployment: str, config: Path | None, database: str | None) -> None:
    """Send no new jobs to a deployment, and move its open ones.

    It stays drained until `undrain`, whatever restarts. Jobs that nothing else can take run to their end.
    """
    from litebatch_asgi.cli import deployments
    from litebatch_asgi.cli.accounts import database_of

    deployments.drain(database_of(config, database), deployment)


@app.command(epilog=example("litebatch deployments undrain eu-general --config litebatch.yaml"))
@_of_one
@options.of_database
def undrain(deployment: str, config: Path | None, database: str | None) -> None:
    """Let jobs go to a deployment again."""
    from litebatch_asgi.cli import deployments
    from litebatch_asgi.cli.accounts import database_of

    deployments.undrain(database_of(config, database), deployment)
