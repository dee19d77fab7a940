"""What options and arguments take."""

from __future__ import annotations

import math
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

import click

E = TypeVar("E", bound=StrEnum)

STDOUT = Path("-")


class OneOf(click.Choice[E]):
    """One value of an enum; click alone would ask for the name of its member."""

    def normalize_choice(self, choice: object, ctx: click.Context | None) -> str:
        """What stands for it on the command line."""
        return str(choice)


class OutPath(click.Path):
    """Where results go: `-` is `STDOUT`, and `./-` a file of that name."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """The path that is meant."""
        super().convert(value, param, ctx)
        path = Path(value)
        return path.absolute() if path == STDOUT and str(value) != "-" else path


class Whole(click.IntRange):
    """A whole number; click alone would tell that a word is no `integer range`."""

    name = "integer"


class Seconds(click.FloatRange):
    """A time; click's own range lets through what is no number."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The seconds that are meant."""
        seconds = super().convert(value, param, ctx)
        if not math.isfinite(seconds):
            self.fail(f"{value!r} is not a valid number.", param, ctx)
        return seconds


FILE: click.Path = click.Path(path_type=Path)
OUT: OutPath = OutPath(allow_dash=True, readable=False)
PORT: Whole = Whole(0, 65535)
DATE: click.DateTime = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"])
