"""Questions before what cannot be undone."""

from __future__ import annotations

import sys

import click
from click.exceptions import Exit

from litebatch_asgi.cli.telling import visible
from litebatch_asgi.errors import ConfigError


def confirm(question: str, *, yes: bool) -> None:
    """Ask on the terminal, unless the answer is given already.

    Exit code 1 after a no. Raises `ConfigError` where there is no terminal to ask on.
    """
    try:
        is_sure = ask(question, yes=yes, otherwise="nothing was changed")
    except click.Abort:
        is_sure = False
    if not is_sure:
        click.echo("nothing was changed", err=True)
        raise Exit(1)


def ask(question: str, *, yes: bool, otherwise: str) -> bool:
    """Whether the answer on the terminal is yes, or given already.

    Raises `Abort` for Ctrl-C, and `ConfigError`, which says `otherwise`, where there is no terminal.
    """
    if yes:
        return True
    if not sys.stdin.isatty():
        raise ConfigError(f"{otherwise}: this asks first, and here is no terminal; to go on, use --yes")
    try:
        return click.confirm(visible(question), err=True)
    except click.Abort:
        click.echo(err=True)
        raise
