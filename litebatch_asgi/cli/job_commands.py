"""The commands of `litebatch jobs` and their options."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

from litebatch_asgi.cli import options
from litebatch_asgi.cli.options import example

JobId: TypeAlias = Annotated[str, typer.Argument(metavar="JOB", help="Its id, as the list shows it.")]

app: typer.Typer = typer.Typer(
    name="jobs",
    help="Jobs at deployments, which run the shards of batches.",
    epilog=example("litebatch jobs list --config litebatch.yaml"),
    no_args_is_help=True,
)


@app.command(
    "list",
    epilog=example(
        "litebatch jobs list --deployment eu-general",
        "litebatch jobs list --batch batch_lb01m8dcavfhfqas1wectssmy5e8",
    ),
)
def list_(
    batch: Annotated[
        str | None, typer.Option("--batch", metavar="ID", help="All jobs of this batch, ended ones too.")
    ] = None,
    deployment: Annotated[
        str | None, typer.Option("--deployment", metavar="ID", help="At this deployment alone.")
    ] = None,
    state: Annotated[
        list[str] | None,
        typer.Option("--state", metavar="STATE", help="waiting, submitted ...; may be repeated."),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="At most so many.")] = 100,
    config: options.Config = None,
    database: options.Database = None,
    output: options.Output = None,
) -> None:
    """List jobs that have not ended, those of the newest batches first.

    A job's id is that of its batch, the number of the shard, and that of the attempt at it.
    """
    from litebatch_asgi.cli import jobs
    from litebatch_asgi.cli.accounts import database_of

    query = jobs.asked(batch=batch, deployment=deployment, states=state or (), limit=limit)
    jobs.list_jobs(database_of(config, database), query, output)


@app.command(epilog=example("litebatch jobs stop 01m8dcavfhfqas1wectssmy5e8-0-1"))
def stop(job: JobId, config: options.Config = None, database: options.Database = None) -> None:
    """End a job at its provider: what it has finished by then counts."""
    from litebatch_asgi.cli import jobs
    from litebatch_asgi.cli.accounts import database_of

    jobs.stop(database_of(config, database), job)


@app.command(epilog=example("litebatch jobs move 01m8dcavfhfqas1wectssmy5e8-0-1"))
def move(job: JobId, config: options.Config = None, database: options.Database = None) -> None:
    """Have what a job leaves undone run at another deployment."""
    from litebatch_asgi.cli import jobs
    from litebatch_asgi.cli.accounts import database_of

    jobs.move(database_of(config, database), job)
