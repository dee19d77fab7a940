"""What `litebatch keys` does."""

from __future__ import annotations

from datetime import datetime

import click

from litebatch_asgi.cli import accounts
from litebatch_asgi.cli.accounts import BY, every, models_of, with_service
from litebatch_asgi.cli.output import Output, Row, print_object, print_rows
from litebatch_asgi.cli.serve import without_password
from litebatch_asgi.cli.telling import tell
from litebatch_asgi.errors import InvalidRequest, NotFound
from litebatch_asgi.models import VirtualKey
from litebatch_asgi.server.keys import KeyService
from litebatch_asgi.server.keys.answers import NewKey, key_fields, key_row
from litebatch_asgi.server.keys.bodies import NewKeyFields

COLUMNS = ("KEY", "ALIAS", "OWNER", "MODELS", "EXPIRES", "STATE")


def create(url: str, fields: NewKeyFields, *, output: Output | None) -> None:
    """Make a key. The secret goes to stdout, this once; what else there is to know to stderr."""

    async def run(service: KeyService) -> None:
        key, secret = await service.generate(fields, by=BY)
        print_secret(key, secret, url, output)

    with_service(url, run)


def print_secret(key: VirtualKey, secret: str, url: str, output: Output | None) -> None:
    """Print a new key, this once: alone, for a script to take, or all about it as JSON."""
    if output is Output.JSON:
        print_object(NewKey(key=secret, **key_fields(key)))
    else:
        click.echo(secret)
    expires = "never" if key.expires_at is None else f"{key.expires_at:%Y-%m-%d %H:%M} UTC"
    tell(f"owner {key.owner}, expires {expires}")
    tell(f"the key is not shown again; it counts at gateways on {without_password(url)}")


def show(url: str, *, output: Output | None) -> None:
    """Print all keys, newest first."""

    async def run(service: KeyService) -> None:
        keys = await every(service, VirtualKey)
        print_rows(COLUMNS, [_row(key, service.now()) for key in keys], output)
        if not keys:
            accounts.tell_none(url, VirtualKey)

    with_service(url, run)


def _row(key: VirtualKey, now: datetime) -> Row:
    owns_itself = key.team_id is None and key.user_id is None
    expires = "never" if key.expires_at is None else f"{key.expires_at:%Y-%m-%d}"
    has_expired = key.expires_at is not None and key.expires_at <= now
    state = "blocked" if key.blocked else "expired" if has_expired else "active"
    alias = key.alias or "-"
    return Row(
        cells=(key.hint, alias, "itself" if owns_itself else key.owner, models_of(key), expires, state),
        plain=(key.hint, alias, key.owner, models_of(key, ","), expires, state, key.token),
        object=key_row(key),
    )


def set_blocked(url: str, name: str, *, blocked: bool) -> None:
    """Block a key, or let it go on."""
    accounts.set_blocked(url, VirtualKey, lambda service: _named(service, name, url), blocked=blocked)


def delete(url: str, name: str, *, yes: bool) -> None:
    """Delete a key, once that is confirmed."""
    accounts.delete(url, VirtualKey, lambda service: _named(service, name, url), yes=yes)


async def _named(service: KeyService, name: str, url: str) -> VirtualKey:
    """The key with this alias, token, secret or hint. Raises `NotFound`, and `InvalidRequest` for several."""
    found, _ = await service.page(VirtualKey, alias=name, limit=1)
    if found:
        return found[0]
    try:
        return await service.key(name)
    except NotFound as error:
        alike = [key for key in await every(service, VirtualKey) if key.hint == name]
        if len(alike) > 1:
            raise InvalidRequest(
                f"{len(alike)} keys are shown as {name}: name it by its alias, or by its token, which"
                " `litebatch keys list --output plain` shows",
                param="key",
            ) from error
        if alike:
            return alike[0]
        raise NotFound(
            "there is no such key: name it by its alias, its token or itself;"
            f" it was looked for in {without_password(url)}"
        ) from error
