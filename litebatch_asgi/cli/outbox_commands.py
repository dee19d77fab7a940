"""The commands of `litebatch outbox` and their options."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

from litebatch_asgi.cli import options
from litebatch_asgi.cli.options import example

Sink: TypeAlias = Annotated[
    str | None,
    typer.Option("--sink", metavar="NAME", help="Of this sink or webhook endpoint alone."),
]

app: typer.Typer = typer.Typer(
    name="outbox",
    help="What sinks and webhooks have not taken, in a database.",
    epilog=example("litebatch outbox list --config litebatch.yaml"),
    no_args_is_help=True,
)


@app.command(
    "list",
    epilog=example("litebatch outbox list --sink log"),
)
def list_(
    sink: Sink = None,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="At most so many.")] = 100,
    config: options.Config = None,
    database: options.Database = None,
    output: options.Output = None,
) -> None:
    """List dead deliveries, which are not tried again.

    On stderr: what each sink and each webhook endpoint has still to get.
    """
    from litebatch_asgi.cli import outbox
    from litebatch_asgi.cli.accounts import database_of

    outbox.list_dead(database_of(config, database), sink, limit, output)


@app.command(epilog=example("litebatch outbox replay --sink log", "litebatch outbox replay --all"))
def replay(
    event: Annotated[
        list[str] | None, typer.Argument(metavar="EVENT", help="Ids, as the list shows them.")
    ] = None,
    sink: Sink = None,
    every: Annotated[bool, typer.Option("--all", help="All that are dead.")] = False,
    config: options.Config = None,
    database: options.Database = None,
) -> None:
    """Have dead deliveries tried again, as if they were new.

    Name events, a sink, or both; or say --all.
    """
    from litebatch_asgi.cli import outbox
    from litebatch_asgi.cli.accounts import database_of

    if not (event or sink or every):
        raise typer.BadParameter("name events, a sink with --sink, or say --all")
    outbox.replay(database_of(config, database), sink, event or None)
