"""Keys, teams and users for operators, straight in the database of a gateway that need not run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import click

from litebatch_asgi.app import open_storage
from litebatch_asgi.cli.asking import confirm
from litebatch_asgi.cli.serve import without_password
from litebatch_asgi.cli.telling import tell
from litebatch_asgi.config import DEFAULT_DATABASE_URL, load_database_url
from litebatch_asgi.errors import ConfigError, NotFound
from litebatch_asgi.installations import KeepsInstallation
from litebatch_asgi.keys import keys_of
from litebatch_asgi.models import Account, Team, User, VirtualKey
from litebatch_asgi.server.keys import KeyService
from litebatch_asgi.server.keys.cache import CACHED_SECONDS
from litebatch_asgi.storage import Installation, Storage

PAGE = 1000
BY = "command line"
"""who made a key, team or user, for the record"""
WORDS: dict[type[Account], str] = {VirtualKey: "key", Team: "team", User: "user"}

A = TypeVar("A", bound=Account)


def database_of(config: Path | None, database: str | None) -> str:
    """The database that is meant. Raises `ConfigError`."""
    url = database
    if url is None:
        url = DEFAULT_DATABASE_URL if config is None else load_database_url(config)
    if url.startswith("memory:"):
        raise ConfigError(f"{url} is in the gateway's memory alone: name a database that lasts")
    return url


def with_service(url: str, work: Callable[[KeyService], Awaitable[None]]) -> None:
    """Do work on the database of a gateway, which is never made. Raises `ConfigError`."""

    with_storage(url, lambda storage: work(KeyService(keys_of(storage), storage)))


def with_storage(url: str, work: Callable[[Storage], Awaitable[None]]) -> None:
    """Do work on the database of a gateway, as `with_service`."""

    async def run() -> None:
        async with opened(url) as storage:
            await work(storage)

    asyncio.run(run())


async def every(service: KeyService, kind: type[A]) -> list[A]:
    """All keys, teams or users, newest first."""
    found: list[A] = []
    offset, total = 0, 1
    while offset < total:
        page, total = await service.page(kind, limit=PAGE, offset=offset)
        found += page
        offset += PAGE
    return found


def tell_none(url: str, kind: type[Account]) -> None:
    """Tell that a list is empty, and how to change that."""
    word = WORDS[kind]
    where = without_password(url)
    click.echo(f"there are no {word}s in {where}: `litebatch {word}s create` makes one", err=True)


def set_blocked(
    url: str, kind: type[A], find: Callable[[KeyService], Awaitable[A]], *, blocked: bool
) -> None:
    """Block a key, team or user, or let it go on."""

    async def run(service: KeyService) -> None:
        account = await service.block(kind, (await find(service)).id, blocked=blocked)
        state = "is blocked" if blocked else "is active"
        tell(f"{called(account)} {state}; running gateways follow within {CACHED_SECONDS:g} seconds")

    with_service(url, run)


def delete(url: str, kind: type[A], find: Callable[[KeyService], Awaitable[A]], *, yes: bool) -> None:
    """Delete a key, or a team or user with its keys, once that is confirmed. Files and batches stay."""

    async def run(service: KeyService) -> None:
        account = await find(service)
        keys = await _keys_of(service, account)
        confirm(f"Delete {called(account)}{keys}? Files and batches stay their owner's.", yes=yes)
        await service.delete(kind, [account.id])
        tell(f"{called(account)}{keys} is deleted; running gateways follow within {CACHED_SECONDS:g} seconds")

    with_service(url, run)


async def by_id(service: KeyService, kind: type[A], account_id: str, url: str) -> A:
    """The team or user with an id. Raises `NotFound`."""
    try:
        return await service.get(kind, account_id)
    except NotFound as error:
        word = WORDS[kind]
        raise NotFound(
            f"there is no {word} {account_id!r} in {without_password(url)}:"
            f" `litebatch {word}s list` shows those that there are"
        ) from error


def called(account: Account) -> str:
    """A key, team or user as words name it."""
    if isinstance(account, VirtualKey):
        return f"key {account.alias} ({account.hint})" if account.alias else f"key {account.hint}"
    return f"{WORDS[type(account)]} {account.id}"


def models_of(account: Account, between: str = "\n") -> str:
    """The models that it allows."""
    return between.join(account.models) or "all"


async def _keys_of(service: KeyService, account: Account) -> str:
    if isinstance(account, VirtualKey):
        return ""
    named = {"team_id": account.id} if isinstance(account, Team) else {"user_id": account.id}
    _, count = await service.page(VirtualKey, limit=1, **named)
    return f" with {count} {'key' if count == 1 else 'keys'}"


@asynccontextmanager
async def opened(url: str) -> AsyncGenerator[Storage]:
    """The database of a gateway, which is never made. Raises `ConfigError`."""
    async with installed(url) as (storage, _):
        yield storage


@asynccontextmanager
async def installed(url: str) -> AsyncGenerator[tuple[Storage, Installation]]:
    """The same, with what it says of itself."""
    storage = open_storage(url)
    if isinstance(storage, KeepsInstallation):
        await storage.installations.look(alive_seconds=0)  # opening would make what is not there
    try:
        yield storage, await storage.open()
    finally:
        await storage.close()
