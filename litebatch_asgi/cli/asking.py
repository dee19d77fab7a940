"""Questions before what cannot be undone."""

from __future__ import annotations

import sys

import typer

from litebatch_asgi.errors import ConfigError


def confirm(question: str, *, yes: bool) -> None:
    """Ask on the terminal, unless the answer is given already.

    Exit code 1 after a no. Raises `ConfigError` where there is no terminal to ask on.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise ConfigError(
            "nothing was changed: this asks first, and here is no terminal; to go on, use --yes"
        )
    try:
        is_sure = typer.confirm(question, err=True)
    except typer.Abort:
        typer.echo(err=True)
        is_sure = False
    if not is_sure:
        typer.echo("nothing was changed", err=True)
        raise typer.Exit(1)
