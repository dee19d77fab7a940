"""Callables for processes that are configured with them."""

from __future__ import annotations

import os

import msgspec

from litebatch_asgi import Event

FILE = "EVENTS_OF_TEST"


async def append(event: Event) -> None:
    """Append the event to the file that the environment names."""
    file = os.open(os.environ[FILE], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(file, msgspec.json.encode(event) + b"\n")
    finally:
        os.close(file)


NOT_CALLABLE = "a text"
