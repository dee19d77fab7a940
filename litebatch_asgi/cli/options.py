"""Options and arguments that several commands have."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from litebatch_asgi.cli.output import Output as _Output

STDOUT = Path("-")


def out_path(given: str | Path) -> Path:
    """Where results go, from a text or the default: `-` is `STDOUT`, and `./-` a file of that name."""
    path = Path(given)
    return path.absolute() if path == STDOUT and str(given) != "-" else path


Config: TypeAlias = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="The gateway's; only its database_url is read."),
]
Database: TypeAlias = Annotated[
    str | None,
    typer.Option("--database", metavar="URL", help="In place of --config, such as sqlite:///litebatch.db."),
]
Output: TypeAlias = Annotated[
    _Output | None,
    typer.Option(
        "--output",
        metavar="FORM",
        help="table, json or plain. Unless told: a table on a terminal, JSON lines in a pipe.",
    ),
]
Out: TypeAlias = Annotated[
    Path, typer.Option("--out", "-o", metavar="OUT", parser=out_path, help="A file; - is stdout.")
]
BaseUrl: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--base-url",
        metavar="URL",
        help="The server; unless told LITEBATCH_BASE_URL, then OPENAI_BASE_URL.",
        show_default="OpenAI",
    ),
]
ApiKey: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--api-key",
        metavar="KEY",
        help="Better set LITEBATCH_API_KEY, or OPENAI_API_KEY: others see what a command is given.",
    ),
]
Limit: TypeAlias = Annotated[int, typer.Option("--limit", metavar="N", min=1, help="At most so many.")]
Yes: TypeAlias = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
Models: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--model", metavar="NAME", help="A model or access group; may be repeated. None: all."),
]
Inherit: TypeAlias = Annotated[
    bool,
    typer.Option("--inherit", help="Own the files and batches that an earlier one of this id left behind."),
]
Duration: TypeAlias = Annotated[
    str | None,
    typer.Option("--duration", metavar="TIME", help="30d, 12h, 2mo ...", show_default="for ever"),
]


class Format(StrEnum):
    """What results are written as."""

    JSONL = "jsonl"
    CSV = "csv"


def example(*lines: str) -> str:
    """What stands below the help of a command."""
    return "\n".join(("\b", "Example:" if len(lines) == 1 else "Examples:", *(f"  {line}" for line in lines)))
