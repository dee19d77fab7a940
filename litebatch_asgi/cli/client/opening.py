"""A connection to the server that options and environment name."""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from contextlib import contextmanager

import click

from litebatch_asgi.cli.client.connection import Connection
from litebatch_asgi.cli.client.screen import Screen
from litebatch_asgi.cli.client.server import choose


@contextmanager
def opened(base_url: str | None, api_key: str | None) -> Generator[tuple[Connection, Screen]]:
    """The connection, and the screen on which its troubles are told. Raises `ConfigError`."""
    screen = Screen()
    with Connection(choose(base_url, api_key, os.environ), screen.tell) as connection:
        yield connection, screen


def pairs(given: Sequence[str]) -> dict[str, str]:
    """Metadata from texts such as `name=value`. Raises `BadParameter`."""
    found: dict[str, str] = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"--metadata {each}: write it as NAME=VALUE")
        found[name] = value
    return found
