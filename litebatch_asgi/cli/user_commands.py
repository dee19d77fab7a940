"""The commands of `litebatch users` and their options."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from litebatch_asgi.cli import account_options, options
from litebatch_asgi.cli.account_commands import Accounts, Words, add_commands
from litebatch_asgi.cli.groups import Group
from litebatch_asgi.cli.options import example
from litebatch_asgi.cli.output import Output

app: Group = Group(
    "users",
    help="Users, with keys and limits of their own.",
    epilog=example("litebatch users list --config litebatch.yaml"),
)


@app.command(
    epilog=example(
        "litebatch users create ann --email ann@example.com --duration 90d",
        "litebatch users create root --role proxy_admin",
    )
)
@click.argument("user", required=False, help="Its id; a random one unless told.")
@click.option("--alias", metavar="NAME", help="A name for it.")
@click.option("--email", metavar="ADDRESS", help="For the record.")
@click.option("--role", metavar="ROLE", help="proxy_admin: its keys are an admin's.")
@click.option("--key/--no-key", default=True, help="Whether a key is made too.")
@click.option("--key-alias", metavar="NAME", help="A name for that key.")
@click.option("--team", metavar="ID", help="The team of that key.")
@account_options.duration
@account_options.models
@account_options.inherit
@account_options.limits
@options.of_database
@options.output
def create(
    user: str | None,
    alias: str | None,
    email: str | None,
    role: str | None,
    key_alias: str | None,
    team: str | None,
    duration: str | None,
    model: tuple[str, ...],
    *,
    key: bool,
    inherit: bool,
    config: Path | None,
    database: str | None,
    output: Output | None,
    **limits: Any,
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
        models=list(model) or None,
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
