"""The commands that keys, teams and users have alike."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import click
import msgspec

from litebatch_asgi.cli import options
from litebatch_asgi.cli.options import example
from litebatch_asgi.cli.output import Output


class Accounts(Protocol):
    """What such a command does; the modules `keys`, `teams` and `users` do."""

    def show(self, url: str, *, output: Output | None) -> None:
        """Print all, newest first."""
        ...

    def set_blocked(self, url: str, name: str, /, *, blocked: bool) -> None:
        """Block one, or let it go on."""
        ...

    def delete(self, url: str, name: str, /, *, yes: bool) -> None:
        """Delete one, once that is confirmed."""
        ...


class Words(msgspec.Struct, frozen=True, kw_only=True):
    """How the commands speak of one kind."""

    plural: str
    argument: str
    """what names one"""
    named_by: str
    block: str
    unblock: str
    delete: str
    example: str
    """the name of one"""


def add_commands(app: click.Group, words: Words, accounts: Callable[[], Accounts]) -> None:
    """Add `list`, `block`, `unblock` and `delete`. `accounts` imports what they do."""
    of_one = click.argument("name", metavar=words.argument, help=words.named_by)
    command = f"litebatch {words.plural}"

    @app.command(
        "list",
        help=f"List all {words.plural}, newest first.",
        epilog=example(f"{command} list --output json --database sqlite:///litebatch.db"),
    )
    @options.of_database
    @options.output
    def _(config: Path | None, database: str | None, output: Output | None) -> None:
        accounts().show(_database(config, database), output=output)

    @app.command("block", help=words.block, epilog=example(f"{command} block {words.example}"))
    @of_one
    @options.of_database
    def _(name: str, config: Path | None, database: str | None) -> None:
        accounts().set_blocked(_database(config, database), name, blocked=True)

    @app.command("unblock", help=words.unblock, epilog=example(f"{command} unblock {words.example}"))
    @of_one
    @options.of_database
    def _(name: str, config: Path | None, database: str | None) -> None:
        accounts().set_blocked(_database(config, database), name, blocked=False)

    @app.command("delete", help=words.delete, epilog=example(f"{command} delete {words.example} --yes"))
    @of_one
    @options.of_database
    @options.yes
    def _(name: str, config: Path | None, database: str | None, *, yes: bool) -> None:
        accounts().delete(_database(config, database), name, yes=yes)


def _database(config: Path | None, database: str | None) -> str:
    from litebatch_asgi.cli.accounts import database_of

    return database_of(config, database)
