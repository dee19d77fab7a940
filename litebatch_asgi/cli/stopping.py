"""What Ctrl-C does to a command that runs until it is told to stop."""

from __future__ import annotations

import signal
import sys

import click

from litebatch_asgi.server.listen import until_told_to_stop


async def until_stopped(banner: str, *, then: str) -> None:
    """Print the banner and wait for Ctrl-C or SIGTERM; the next one ends the process at once.

    `then` tells on a terminal what is still to be done. Elsewhere nothing is told: stderr is the log there.
    """
    await until_told_to_stop(lambda: click.echo(banner))
    say_stopping(then)


def say_stopping(then: str) -> None:
    """Tell that the end has begun, and leave the next Ctrl-C or SIGTERM to the system."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    if sys.stderr.isatty():
        click.echo(f"\nstopping… {then} Ctrl-C again ends it at once.", err=True)
