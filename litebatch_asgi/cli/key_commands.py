"""The commands of `litebatch keys` and their options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

Config: TypeAlias = Annotated[
    Path | None, typer.Option("--config", help="The gateway's: its database is meant.")
]
Database: TypeAlias = Annotated[
    str | None, typer.Option("--database", metavar="URL", help="In place of the configuration's.")
]
Key: TypeAlias = Annotated[
    str, typer.Argument(metavar="KEY", help="Its alias, its token, or the key itself.")
]
Limit: TypeAlias = int | None

app: typer.Typer = typer.Typer(
    name="keys", help="Virtual keys, in a gateway's database.", no_args_is_help=True
)


@app.command()
def create(
    alias: Annotated[str | None, typer.Option(help="A name for it.")] = None,
    model: Annotated[
        list[str] | None, typer.Option(help="A virtual model or access group; may be repeated. None: all.")
    ] = None,
    user: Annotated[str | None, typer.Option(help="Whose key it is; made if need be.")] = None,
    team: Annotated[str | None, typer.Option(help="The team that shares what is made with it.")] = None,
    inherit: Annotated[
        bool, typer.Option("--inherit", help="Let a user that is made own what is there of its id already.")
    ] = False,
    duration: Annotated[
        str | None, typer.Option(help="Such as 30d, 12h, 2mo.", show_default="for ever")
    ] = None,
    max_batch_requests: Annotated[Limit, typer.Option(min=0, help="Requests in one file.")] = None,
    max_open_batches: Annotated[Limit, typer.Option(min=0, help="Batches that have not ended.")] = None,
    max_enqueued_requests: Annotated[Limit, typer.Option(min=0, help="Requests of open batches.")] = None,
    max_enqueued_tokens: Annotated[Limit, typer.Option(min=0, help="Tokens of open batches.")] = None,
    max_file_bytes: Annotated[Limit, typer.Option(min=0, help="Bytes of one file.")] = None,
    max_files: Annotated[Limit, typer.Option(min=0, help="Uploaded files that are not deleted.")] = None,
    config: Config = None,
    database: Database = None,
) -> None:
    """Make a key and print it, this once."""
    from litebatch_asgi.cli import keys
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
    keys.create(keys.database_of(config, database), fields)


@app.command("list")
def show(config: Config = None, database: Database = None) -> None:
    """List all keys: hint, alias, owner, models, expiry, state, token."""
    from litebatch_asgi.cli import keys

    keys.show(keys.database_of(config, database))


@app.command()
def block(key: Key, config: Config = None, database: Database = None) -> None:
    """Block a key, until it is unblocked."""
    from litebatch_asgi.cli import keys

    keys.block(keys.database_of(config, database), key, blocked=True)


@app.command()
def unblock(key: Key, config: Config = None, database: Database = None) -> None:
    """Let a blocked key go on."""
    from litebatch_asgi.cli import keys

    keys.block(keys.database_of(config, database), key, blocked=False)


@app.command()
def delete(key: Key, config: Config = None, database: Database = None) -> None:
    """Delete a key; its files and batches stay its owner's."""
    from litebatch_asgi.cli import keys

    keys.delete(keys.database_of(config, database), key)
