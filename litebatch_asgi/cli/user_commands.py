"""The commands of `litebatch users` and their options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from litebatch_asgi.cli import options
from litebatch_asgi.cli.account_commands import Accounts, Words, add_commands
from litebatch_asgi.cli.account_options import with_limits
from litebatch_asgi.cli.options import example

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
@with_limits
def create(
    user: Annotated[
        str | None, typer.Argument(metavar="USER", help="Its id.", show_default="a random one")
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
    *,
    limits: Mapping[str, Any],
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
        **limits,
    )
    users.create(database_of(config, database), fields, output=output)


def _users() -> Accounts:
    from litebatch_asgi.cli import users

    return users


add_commands(
    app,
    Words(
        plural="users",
        argument="USER",
        named_by="Its id.",
        block="Block all keys of a user, until it is unblocked.",
        unblock="Let the keys of a blocked user go on.",
        delete="Delete a user with its keys; files and batches stay.",
        example="ann",
    ),
    _users,
)
