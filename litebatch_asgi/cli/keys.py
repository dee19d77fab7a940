"""`litebatch keys`: virtual keys for operators, straight in the database of a gateway."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import typer

from litebatch_asgi.app import open_storage
from litebatch_asgi.cli.serve import without_password
from litebatch_asgi.config import DEFAULT_DATABASE_URL, load_config
from litebatch_asgi.errors import ConfigError, NotFound
from litebatch_asgi.keys import keys_of
from litebatch_asgi.models import VirtualKey
from litebatch_asgi.server.keys import KeyService
from litebatch_asgi.server.keys.bodies import NewKeyFields

PAGE = 1000
BY = "command line"
"""who made a key, for the record"""


def database_of(config: Path | None, database: str | None) -> str:
    """The database that is meant. Raises `ConfigError`."""
    url = database
    if url is None:
        url = DEFAULT_DATABASE_URL if config is None else load_config(config).database_url
    if url.startswith("memory:"):
        raise ConfigError(f"{url} is in the gateway's memory alone: name a database that lasts")
    return url


def create(url: str, fields: NewKeyFields) -> None:
    """Make a key. The secret goes to stdout, this once; what else there is to know to stderr."""

    async def run(keys: KeyService) -> None:
        key, secret = await keys.generate(fields, by=BY)
        typer.echo(secret)
        expires = "never" if key.expires_at is None else f"{key.expires_at:%Y-%m-%d %H:%M} UTC"
        typer.echo(f"owner {key.owner}, expires {expires}; the key is not shown again", err=True)
        typer.echo(f"it counts at gateways whose database is {without_password(url)}", err=True)

    _run(url, run)


def show(url: str) -> None:
    """Tell of all keys, newest first, a line each."""

    async def run(keys: KeyService) -> None:
        offset, total = 0, 1
        while offset < total:
            page, total = await keys.page(VirtualKey, limit=PAGE, offset=offset)
            offset += PAGE
            for key in page:
                typer.echo(_line(key))
        if total == 0:
            typer.echo(
                f"there are no keys in {without_password(url)}: `litebatch keys create` makes one", err=True
            )

    _run(url, run)


def _line(key: VirtualKey) -> str:
    expires = "never" if key.expires_at is None else f"{key.expires_at:%Y-%m-%d}"
    columns = (
        key.hint,
        key.alias or "-",
        key.owner,
        ",".join(key.models) or "all models",
        f"expires {expires}",
        "blocked" if key.blocked else "active",
        key.token,
    )
    return "  ".join(columns)


def block(url: str, name: str, *, blocked: bool) -> None:
    """Block a key, or let it go on; a running gateway notices within seconds."""

    async def run(keys: KeyService) -> None:
        await keys.block(VirtualKey, (await _named(keys, name, url)).id, blocked=blocked)

    _run(url, run)


def delete(url: str, name: str) -> None:
    """Delete a key. Its files and batches stay its owner's."""

    async def run(keys: KeyService) -> None:
        await keys.delete(VirtualKey, [(await _named(keys, name, url)).id])

    _run(url, run)


async def _named(keys: KeyService, name: str, url: str) -> VirtualKey:
    """The key with this alias, token or secret. Raises `NotFound`."""
    found, _ = await keys.page(VirtualKey, alias=name, limit=1)
    if found:
        return found[0]
    try:
        return await keys.key(name)
    except NotFound as error:
        raise NotFound(
            "there is no such key: name it by its alias, its token or itself;"
            f" it was looked for in {without_password(url)}"
        ) from error


def _run(url: str, work: Callable[[KeyService], Awaitable[None]]) -> None:
    async def run() -> None:
        async with _opened(url) as keys:
            await work(keys)

    asyncio.run(run())


@asynccontextmanager
async def _opened(url: str) -> AsyncGenerator[KeyService]:
    storage = open_storage(url)
    try:
        await storage.open()
        yield KeyService(keys_of(storage), storage)
    finally:
        await storage.close()
