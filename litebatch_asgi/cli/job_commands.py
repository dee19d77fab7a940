"""The commands of `litebatch jobs` and their options."""

from __future__ import annotations

from pathlib import Path

import click

from litebatch_asgi.cli import options
from litebatch_asgi.cli.groups import Group
from litebatch_asgi.cli.options import example
from litebatch_asgi.cli.output import Output

app: Group = Group(
    "jobs",
    help="Jobs at deployments, which run the shards of batches.",
    epilog=example("litebatch jobs list --config litebatch.yaml"),
)
_of_one = click.argument("job", help="Its id, as the list shows it.")


@app.command(
    "list",
    epilog=example(
        "litebatch jobs list --deployment eu-general",
        "litebatch jobs list --batch batch_lb01m8dcavfhfqas1wectssmy5e8",
    ),
)
@click.option("--batch", metavar="ID", help="All jobs of this batch, ended ones too.")
@click.option("--deployment", metavar="ID", help="At this deployment alone.")
@click.option("--state", multiple=True, metavar="STATE", help="waiting, submitted ...; may be repeated.")
@options.limit(100)
@options.of_database
@options.output
def list_(
    batch: str | None,
    deployment: str | None,
    state: tuple[str, ...],
    limit: int,
    config: Path | None,
    database: str | None,
    output: Output | None,
) -> None:
    """List jobs that have not ended, those of the newest batches first.

    A job's id is that of its batch, the number of the shard, and that of the attempt at it.
    """
    from litebatch_asgi.cli import jobs
    from litebatch_asgi.cli.accounts import database_of

    query = jobs.asked(batch=batch, deployment=deployment, states=state, limit=limit)
    jobs.list_jobs(database_of(config, database), query, output)


@app.command(epilog=example("litebatch jobs stop 01m8dcavfhfqas1wectssmy5e8-0-1"))
@_of_one
@options.of_database
def stop(job: str, config: Path | None, database: str | None) -> None:
    """End a job at its provider: what it has finished by then counts."""
    from litebatch_asgi.cli import jobs
    from litebatch_asgi.cli.accounts import database_of

    jobs.stop(database_of(config, database), job)


@app.command(epilog=example("litebatch jobs move 01m8dcavfhfqas1wectssmy5e8-0-1"))
@_of_one
@options.of_database
def move(job: str, config: Path | None, database: str | None) -> None:
    """Have what a job leaves undone run at another deployment."""
    from litebatch_asgi.cli import jobs
    from litebatch_asgi.cli.accounts import database_of

    jobs.move(database_of(config, database), job)
