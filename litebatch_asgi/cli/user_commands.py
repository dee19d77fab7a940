"""The commands of `litebatch users` and their options."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

from litebatch_asgi.cli import options
from litebatch_asgi.cli.options import example

UserId: TypeAlias = Annotated[str, typer.Argument(metavar="USER", help="Its id.")]

app: typer.Typer = typer.Typer(
    name="users",
    help="Users, with keys and limits of their own.",
    epilog=example("litebatch users list --config litebatch.yaml"),
    no_args_is_help=True,
)


@app.command(
    epilog=example(
        "litebatch users create ann --email ann@example.com --duration 90d",
        "litebatch users create root --role proxy_admin",
    )
)
def create(
    user: Annotated[
        str | None, typer.Argument(metavar="[USER]", help="Its id.", show_default="a random one")
    ] = None,
    alias: Annotated[str | None, typer.Option("--alias", metavar="NAME", help="A name for it.")] = None,
    email: Annotated[str | None, typer.Option("--email", metavar="ADDRESS", help="For the record.")] = None,
    role: Annotated[
        str | None, typer.Option("--role", metavar="ROLE", help="proxy_admin: its keys are an admin's.")
    ] = None,
    key: Annotated[bool, typer.Option("--key/--no-key", help="Whether a key is made too.")] = True,
    key_alias: Annotated[
        str | None, typer.Option("--key-alias", metavar="NAME", help="A name for that key.")
    ] = None,
    team: Annotated[str | None, typer.Option("--team", metavar="ID", help="The team of that key.")] = None,
    duration: options.Duration = None,
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
    """Make a user, and a key for it, which is printed this once."""
    from litebatch_asgi.cli import users
    from litebatch_asgi.cli.accounts import database_of
    from litebatch_asgi.server.keys.bodies import NewUserFields

    fields = NewUserFields(
        user_id=user,
        user_alias=alias,
        user_email=email,
        user_role=role,
        auto_create_key=key,
        key_alias=key_alias,
        team_id=team,
        duration=duration,
        models=model,
        inherit=inherit,
        max_batch_requests=max_batch_requests,
        max_open_batches=max_open_batches,
        max_enqueued_requests=max_enqueued_requests,
        max_enqueued_tokens=max_enqueued_tokens,
        max_file_bytes=max_file_bytes,
        max_files=max_files,
    )
    users.create(database_of(config, database), fields, output=output)


@app.command("list", epilog=example("litebatch users list --output json --database sqlite:///litebatch.db"))
def show(
    config: options.Config = None, database: options.Database = None, output: options.Output = None
) -> None:
    """List all users, newest first."""
    from litebatch_asgi.cli import users
    from litebatch_asgi.cli.accounts import database_of

    users.show(database_of(config, database), output=output)


@app.command(epilog=example("litebatch users block ann"))
def block(user: UserId, config: options.Config = None, database: options.Database = None) -> None:
    """Block all keys of a user, until it is unblocked."""
    from litebatch_asgi.cli import users
    from litebatch_asgi.cli.accounts import database_of

    users.set_blocked(database_of(config, database), user, blocked=True)


@app.command(epilog=example("litebatch users unblock ann"))
def unblock(user: UserId, config: options.Config = None, database: options.Database = None) -> None:
    """Let the keys of a blocked user go on."""
    from litebatch_asgi.cli import users
    from litebatch_asgi.cli.accounts import database_of

    users.set_blocked(database_of(config, database), user, blocked=False)


@app.command(epilog=example("litebatch users delete ann --yes"))
def delete(
    user: UserId, config: options.Config = None, database: options.Database = None, yes: options.Yes = False
) -> None:
    """Delete a user with its keys; files and batches stay."""
    from litebatch_asgi.cli import users
    from litebatch_asgi.cli.accounts import database_of

    users.delete(database_of(config, database), user, yes=yes)
