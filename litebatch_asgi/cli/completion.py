"""Completion of commands and options in shells, by the library that parses them."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer
from typer.completion import get_completion_inspect_parameters, shell_complete

get_completion_inspect_parameters()  # what makes the library know shells, without its options
_VARIABLE = "_LITEBATCH_COMPLETE"
"""by which the shell's script asks `litebatch` for completions; the library derives the name"""


class Shell(StrEnum):
    """The shells that there are scripts for."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def completion(context: typer.Context, shell: Annotated[Shell, typer.Argument(help="Whose script.")]) -> None:
    """Print a script by which a shell completes commands."""
    shell_complete(context.find_root().command, {}, "litebatch", _VARIABLE, f"source_{shell}")
