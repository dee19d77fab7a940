"""Completion of commands and options in shells, by the library that parses them."""

from __future__ import annotations

from enum import StrEnum

import click

from litebatch_asgi.cli.options import example
from litebatch_asgi.cli.values import OneOf

_VARIABLE = "_LITEBATCH_COMPLETE"
"""by which the shell's script asks `litebatch` for completions; the library derives the name"""


class Shell(StrEnum):
    """The shells that there are scripts for."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


@click.command(
    epilog=example(
        "litebatch completion bash >> ~/.bashrc",
        "litebatch completion zsh >> ~/.zshrc",
        "litebatch completion fish > ~/.config/fish/completions/litebatch.fish",
    )
)
@click.argument("shell", type=OneOf(Shell), help="Whose script.")
@click.pass_context
def completion(context: click.Context, shell: Shell) -> None:
    """Print a script by which a shell completes commands."""
    from click.shell_completion import shell_complete

    shell_complete(context.find_root().command, {}, "litebatch", _VARIABLE, f"{shell}_source")
