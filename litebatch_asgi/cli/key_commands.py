"""The commands of `litebatch keys` and their options."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

from litebatch_asgi.cli import options
from litebatch_asgi.cli.options import example

Key: TypeAlias = Annotated[
    str, typer.Argument(metavar="KEY", help="Its alias, its token, or the key itself.")
]

app: typer.Typer = typer.Typer(
    name="keys",
    help="Virtual keys, in a gateway's database.",
    epilog=example("litebatch keys list --config litebatch.yaml"),
    no_args_is_help=True,
)


@app.command(
    epilog=example(
        "litebatch keys create --alias ci --team search --duration 30d",
        "KEY=$(litebatch keys create --model gpt-4o-batch)",
    )
)
def create(
    alias: Annotated[str | None, typer.Option("--alias", metavar="NAME", help="A name for it.")] = None,
    model: options.Models = None,
    user: Annotated[
        str | None, typer.Option("--user", metavar="ID", help="Whose key it is; made if need be.")
    ] = None,
    team: Annotated[
        str | None, typer.Option("--team", metavar="ID", help="The team that shares what is made with it.")
    ] = None,
    inherit: options.Inherit = False,
    duration: options.Duration = None,
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
    """Make a key and print it, this once."""
    from litebatch_asgi.cli import keys
    from litebatch_asgi.cli.accounts import database_of
    from litebatch_asgi.server.keys.bodies import NewKeyFields

    fields = NewKeyFields(
        key_alias=alias,
        models=model,
        user_id=user,
        team_id=team,
        inherit=inherit,
        duration=duration,
        max_batch_requests=max_batch_requests,
        max_open_batches=max_open_batches,
        max_enqueued_requests=max_enqueued_requests,
        max_enqueued_tokens=max_enqueued_tokens,
        max_file_bytes=max_file_bytes,
        max_files=max_files,
    )
    keys.create(database_of(config, database), fields, output=output)


@app.command("list", epilog=example("litebatch keys list --output json --database sqlite:///litebatch.db"))
def show(
    config: options.Config = None, database: options.Database = None, output: options.Output = None
) -> None:
    """List all keys, newest first."""
    from litebatch_asgi.cli import keys
    from litebatch_asgi.cli.accounts import database_of

    keys.show(database_of(config, database), output=output)


@app.command(epilog=example("litebatch keys block ci"))
def block(key: Key, config: options.Config = None, database: options.Database = None) -> None:
    """Block a key, until it is unblocked."""
    from litebatch_asgi.cli import keys
    from litebatch_asgi.cli.accounts import database_of

    keys.set_blocked(database_of(config, database), key, blocked=True)


@app.command(epilog=example("litebatch keys unblock ci"))
def unblock(key: Key, config: options.Config = None, database: options.Database = None) -> None:
    """Let a blocked key go on."""
    from litebatch_asgi.cli import keys
    from litebatch_asgi.cli.accounts import database_of

    keys.set_blocked(database_of(config, database), key, blocked=False)


@app.command(epilog=example("litebatch keys delete ci --yes"))
def delete(
    key: Key, config: options.Config = None, database: options.Database = None, yes: options.Yes = False
) -> None:
    """Delete a key; its files and batches stay its owner's."""
    from litebatch_asgi.cli import keys
    from litebatch_asgi.cli.accounts import database_of

    keys.delete(database_of(config, database), key, yes=yes)
