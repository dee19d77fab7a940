"""What `litebatch database` does: a database is told where it lives, and whether it is a copy."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import click

from litebatch_asgi.app import open_storage
from litebatch_asgi.cli.asking import confirm
from litebatch_asgi.cli.serve import without_password
from litebatch_asgi.errors import ConfigError, StateConflict
from litebatch_asgi.installations import InstallationStore, Residence, installations_of

ALIVE_SECONDS = 60.0
"""twice as long as the pause between two heartbeats"""

T = TypeVar("T")


def moved(url: str, prefix: str, *, yes: bool, force: bool) -> None:
    """Let the database live where it is.

    Raises `ConfigError` if processes are alive on it, unless forced, and if it is no database of ours. Exit
    code 1 if the question is not answered with yes.
    """
    store = installations_of(open_storage(url, prefix))
    seen = _look(store, url, force=force)
    if seen.is_at_home and seen.installation.fingerprint is not None:
        click.echo("it is where it was: there is nothing to do")
        return
    confirm("Does nothing use the database that it comes from any more?", yes=yes)
    installation = _settle(store.moved(idle_seconds=0 if force else ALIVE_SECONDS))
    click.echo(f"installation {installation.id} lives here from now on; nothing else was changed")


def copied(url: str, prefix: str, *, yes: bool, force: bool) -> None:
    """Make an installation of its own of a copy. Raises, and exits, as `moved`."""
    store = installations_of(open_storage(url, prefix))
    seen = _look(store, url, force=force)
    if seen.is_at_home:
        click.echo("it is where it was: if it is the original itself, its open batches are lost", err=True)
    confirm("Is this a copy, whose open batches and input files shall go?", yes=yes)
    done = _settle(store.copied(idle_seconds=0 if force else ALIVE_SECONDS))
    click.echo(
        f"installation {done.installation.id} lives here from now on, in place of {seen.installation.id}"
    )
    click.echo(f"batches that were open and have failed: {done.batches}")
    click.echo(f"jobs that are left to the original: {done.jobs}")
    click.echo(f"input files that are hidden: {done.input_files}")
    click.echo(f"files at providers that are left to the original: {done.copies}")
    click.echo(f"idempotency keys that are free again: {done.keys}")


def _look(store: InstallationStore, url: str, *, force: bool) -> Residence:
    seen = asyncio.run(store.look(alive_seconds=ALIVE_SECONDS))
    click.echo(f"the database is {without_password(url)}, installation {seen.installation.id}", err=True)
    click.echo(f"it is now {seen.present}; it was {seen.installation.fingerprint or 'nowhere yet'}", err=True)
    if seen.alive and not force:
        raise ConfigError(
            f"processes that were alive on it within the last minute: {seen.alive}. Stop them and come again"
            " in a minute, or use --force; in a copy that was just made they are those of its original"
        )
    return seen


def _settle(work: Coroutine[Any, Any, T]) -> T:
    try:
        return asyncio.run(work)
    except StateConflict as error:  # one has begun since we looked
        raise ConfigError(f"nothing was changed: {error}") from error
