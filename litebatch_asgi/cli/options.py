"""Options and arguments that several commands have."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any, TypeVar

import click

from litebatch_asgi.cli.output import Output
from litebatch_asgi.cli.values import FILE, OUT, STDOUT, OneOf, Whole

F = TypeVar("F", bound=Callable[..., Any])


class Format(StrEnum):
    """What results are written as."""

    JSONL = "jsonl"
    CSV = "csv"


def of_database(command: F) -> F:
    """Add --config and --database: the database that is meant."""
    config = click.option(
        "--config", type=FILE, metavar="FILE", help="The gateway's; only its database_url is read."
    )
    database = click.option(
        "--database", metavar="URL", help="In place of --config, such as sqlite:///litebatch.db."
    )
    return config(database(command))


def of_server(command: F) -> F:
    """Add --base-url and --api-key: the server that is asked."""
    base_url = click.option(
        "--base-url",
        metavar="URL",
        help="The server; unless told LITEBATCH_BASE_URL, then OPENAI_BASE_URL.",
        show_default="OpenAI",
    )
    api_key = click.option(
        "--api-key",
        metavar="KEY",
        help="Better set LITEBATCH_API_KEY, or OPENAI_API_KEY: others see what a command is given.",
    )
    return base_url(api_key(command))


def out(command: F) -> F:
    """Add --out: where results go."""
    option = click.option(
        "--out", "-o", type=OUT, default=str(STDOUT), metavar="OUT", help="A file; - is stdout."
    )
    return option(command)


def output(command: F) -> F:
    """Add --output: the form of what is printed."""
    option = click.option(
        "--output",
        type=OneOf(Output),
        metavar="FORM",
        help="table, json or plain. Unless told: a table on a terminal, JSON lines in a pipe.",
    )
    return option(command)


def limit(default: int) -> Callable[[F], F]:
    """Add --limit: how many are printed."""
    return click.option("--limit", type=Whole(1), default=default, metavar="N", help="At most so many.")


def yes(command: F) -> F:
    """Add --yes: the answer to what is asked first."""
    return click.option("--yes", is_flag=True, help="Do not ask.")(command)


def example(*lines: str) -> str:
    """What stands below the help of a command."""
    return "\n".join(("\b", "Example:" if len(lines) == 1 else "Examples:", *(f"  {line}" for line in lines)))
