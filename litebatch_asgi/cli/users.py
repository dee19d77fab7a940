"""What `litebatch users` does."""

from __future__ import annotations

import click

from litebatch_asgi.cli import accounts
from litebatch_asgi.cli.accounts import BY, by_id, every, models_of, with_service
from litebatch_asgi.cli.keys import print_secret
from litebatch_asgi.cli.output import Output, Row, print_object, print_rows
from litebatch_asgi.models import User
from litebatch_asgi.server.keys import KeyService
from litebatch_asgi.server.keys.answers import user_row
from litebatch_asgi.server.keys.bodies import NewUserFields

COLUMNS = ("USER", "ALIAS", "ROLE", "MODELS", "CREATED", "STATE")


def create(url: str, fields: NewUserFields, *, output: Output | None) -> None:
    """Make a user, and print the key that is made for it; without one its id."""

    async def run(service: KeyService) -> None:
        user, made = await service.create_user_with_key(fields, by=BY)
        if made is not None:
            print_secret(*made, url, output)
        elif output is Output.JSON:
            print_object(user_row(user))
        else:
            click.echo(user.id)

    with_service(url, run)


def show(url: str, *, output: Output | None) -> None:
    """Print all users, newest first."""

    async def run(service: KeyService) -> None:
        users = await every(service, User)
        print_rows(COLUMNS, map(_row, users), output)
        if not users:
            accounts.tell_none(url, User)

    with_service(url, run)


def _row(user: User) -> Row:
    state = "blocked" if user.blocked else "active"
    name = (user.id, user.alias or user.email or "-", user.role or "-")
    made = f"{user.created_at:%Y-%m-%d}"
    return Row(
        cells=(*name, models_of(user), made, state),
        plain=(*name, models_of(user, ","), made, state),
        object=user_row(user),
    )


def set_blocked(url: str, user_id: str, *, blocked: bool) -> None:
    """Block all keys of a user, or let them go on."""
    accounts.set_blocked(url, User, lambda service: by_id(service, User, user_id, url), blocked=blocked)


def delete(url: str, user_id: str, *, yes: bool) -> None:
    """Delete a user with its keys, once that is confirmed."""
    accounts.delete(url, User, lambda service: by_id(service, User, user_id, url), yes=yes)
