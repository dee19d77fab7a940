"""Ports that cannot be had, told in a sentence."""

from __future__ import annotations

import errno
import socket
from typing import NoReturn

import click
from click.exceptions import Exit

from litebatch_asgi.server.listen import listen

_NO_SUCH_ADDRESS = {errno.EADDRNOTAVAIL, socket.EAI_NONAME, socket.EAI_NODATA, socket.EAI_AGAIN}
"""the numbers of the last three are `getaddrinfo`'s own, which `socket.create_server` hands on"""


def listen_or_exit(host: str, port: int) -> socket.socket:
    """A listening socket; if it cannot be had, tell why and end with exit code 1."""
    try:
        return listen(host, port)
    except OSError as error:
        exit_for_port(host, port, error)


def exit_for_port(host: str, port: int, error: OSError) -> NoReturn:
    """Tell that the port cannot be had, and end with exit code 1."""
    if isinstance(error, BrokenPipeError):  # it is there, and nobody reads that
        raise error
    reason = (error.strerror or str(error)).partition(" (while attempting")[0]
    if error.errno == errno.EADDRINUSE:
        message = f"port {port} of {host} is in use: end what listens there, or choose another with --port"
    elif error.errno == errno.EACCES:
        message = f"port {port} is not allowed to this user ({reason}): choose one from 1024 on with --port"
    elif error.errno in _NO_SUCH_ADDRESS:
        message = (
            f"this machine has no address '{host}' to listen on ({reason}): with --host choose 127.0.0.1 for "
            "this machine only, 0.0.0.0 for all of its addresses, or one of these"
        )
    else:
        message = f"cannot listen on port {port} of {host}: {reason}"
    click.echo(f"error: {message}", err=True)
    raise Exit(1) from None
