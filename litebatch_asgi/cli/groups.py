"""Groups of commands."""

from __future__ import annotations

import click


class Group(click.Group):
    """Commands that help lists in the order in which they were added."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of its commands."""
        return list(self.commands)
