"""Options that keys, teams and users have alike when they are made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from litebatch_asgi.cli.values import Whole

F = TypeVar("F", bound=Callable[..., Any])


def models(command: F) -> F:
    """Add --model, which may be repeated."""
    option = click.option(
        "--model", multiple=True, metavar="NAME", help="A model or access group; may be repeated. None: all."
    )
    return option(command)


def inherit(command: F) -> F:
    """Add --inherit: whether what is left behind is taken over."""
    option = click.option(
        "--inherit",
        is_flag=True,
        help="Own the files and batches that an earlier one of this id left behind.",
    )
    return option(command)


def duration(command: F) -> F:
    """Add --duration: how long a key can be used."""
    option = click.option("--duration", metavar="TIME", help="30d, 12h, 2mo ...", show_default="for ever")
    return option(command)


def limits(command: F) -> F:
    """Add an option for each limit. They have the names of the fields of a body."""
    for option in reversed(_LIMITS):
        command = option(command)
    return command


def _number(name: str, of_what: str) -> Callable[[F], F]:
    return click.option(f"--{name}", type=Whole(0), metavar="N", help=of_what)


def _text(name: str, metavar: str, of_what: str) -> Callable[[F], F]:
    return click.option(f"--{name}", metavar=metavar, help=of_what)


_LIMITS: tuple[Callable[[Any], Any], ...] = (
    _number("max-batch-requests", "Requests in one file."),
    _number("max-open-batches", "Batches that have not ended."),
    _number("max-enqueued-requests", "Requests of open batches."),
    _number("max-enqueued-tokens", "Tokens of open batches."),
    _number("max-file-bytes", "Bytes of one file."),
    _number("max-files", "Uploaded files that are not deleted."),
    _text("max-budget", "USD", "What batches may cost; others are refused."),
    _text("soft-budget", "USD", "What is told of when they cost more."),
    _text("budget-duration", "TIME", "After which budgets begin anew, such as 30d."),
)
