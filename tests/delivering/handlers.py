"""Callables for processes that are configured with them."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from litebatch_asgi import Event

FILE = "EVENTS_OF_TEST"


async def append(event: Event) -> None:
    """Append the event to the file that the environment names."""
    append_to(Path(os.environ[FILE]), event)


def append_to(path: Path, event: Event) -> None:
    """Append an event by one write, so that it is there whole or not at all, whoever is killed."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(file, msgspec.json.encode(event) + b"\n")
    finally:
        os.close(file)


def appended(path: Path) -> list[Event]:
    """What was appended, in that order."""
    decoder = msgspec.json.Decoder(Event)
    return [decoder.decode(line) for line in path.read_bytes().splitlines()] if path.exists() else []


NOT_CALLABLE = "a text"
