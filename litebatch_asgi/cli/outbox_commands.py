"""The commands of `litebatch outbox` and their options."""

from __future__ import annotations

from pathlib import Path

import click

from litebatch_asgi.cli import options
from litebatch_asgi.cli.groups import Group
from litebatch_asgi.cli.options import example
from litebatch_asgi.cli.output import Output

app: Group = Group(
    "outbox",
    help="What sinks and webhooks have not taken, in a database.",
    epilog=example("litebatch outbox list --config litebatch.yaml"),
)
_of_sink = click.option("--sink", metavar="NAME", help="Of this sink or webhook endpoint alone.")


@app.command("list", epilog=example("litebatch outbox list --sink log"))
@_of_sink
@options.limit(100)
@options.of_database
@options.output
def list_(
    sink: str | None, limit: int, config: Path | None, database: str | None, output: Output | None
) -> None:
    """List dead deliveries, which are not tried again.

    On stderr: what each sink and each webhook endpoint has still to get.
    """
    from litebatch_asgi.cli import outbox
    from litebatch_asgi.cli.accounts import database_of

    outbox.list_dead(database_of(config, database), sink, limit, output)


@app.command(epilog=example("litebatch outbox replay --sink log", "litebatch outbox replay --all"))
@click.argument("event", nargs=-1, help="Ids, as the list shows them.")
@_of_sink
@click.option("--all", "every", is_flag=True, help="All that are dead.")
@options.of_database
def replay(
    event: tuple[str, ...], sink: str | None, *, every: bool, config: Path | None, database: str | None
) -> None:
    """Have dead deliveries tried again, as if they were new.

    Name events, a sink, or both; or say --all.
    """
    from litebatch_asgi.cli import outbox
    from litebatch_asgi.cli.accounts import database_of

    if not (event or sink or every):
        raise click.BadParameter("name events, a sink with --sink, or say --all")
    outbox.replay(database_of(config, database), sink, event or None)
