"""Ports that cannot be had, told in a sentence."""

from __future__ import annotations

import errno
import socket
from typing import NoReturn

import typer

from litebatch_asgi.server.listen import listen


def listen_or_exit(host: str, port: int) -> socket.socket:
    """A listening socket; if it cannot be had, tell why and end with exit code 1."""
    try:
        return listen(host, port)
    except OSError as error:
        exit_for_port(host, port, error)


def exit_for_port(host: str, port: int, error: OSError) -> NoReturn:
    """Tell that the port cannot be had, and end with exit code 1."""
    if error.errno == errno.EADDRINUSE:
        message = f"port {port} of {host} is in use: end what listens there, or choose another with --port"
    else:
        message = f"cannot listen on port {port} of {host}: {error.strerror or error}"
    typer.echo(f"error: {message}", err=True)
    raise typer.Exit(1) from None
