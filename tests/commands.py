"""The command line, built before processes are forked: that takes half as long as starting one does."""

from __future__ import annotations

from functools import cache

import typer.main

from litebatch_asgi.cli.commands import app

typer.main.get_command = cache(typer.main.get_command)
typer.main.get_command(app)
