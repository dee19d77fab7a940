"""Examples of commands, in help and in documents."""

from __future__ import annotations

import shlex

import click

from litebatch_asgi.cli.commands import app


def assert_parses(example: str) -> None:
    """An example names a command and options that there are."""
    words = shlex.split(example.strip().removeprefix("KEY=$(").removesuffix(")"), comments=True)
    words = [word for word in words if not word.startswith("OPENAI_API_KEY=")]
    if set(words) & {">", ">>"}:
        words = words[:-2]
    command: click.Command = app
    assert words.pop(0) == "litebatch"
    while isinstance(command, click.Group):
        name = words.pop(0)
        if name == "--help":
            return
        command = command.commands[name]
    command.make_context("litebatch", words)
