"""Callables for processes that are configured with them."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import msgspec

from litebatch_asgi import Event

FILE = "EVENTS_OF_TEST"


async def append(event: Event) -> None:
    """Append the event to the file that the environment names."""
    append_to(Path(os.environ[FILE]), event)


def append_to(path: Path, event: Event) -> None:
    """Append an event by one write, on lines of its own: one that is killed may leave a piece behind."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(file, b"\n" + msgspec.json.encode(event) + b"\n")
    finally:
        os.close(file)


def appended(path: Path) -> list[Event]:
    """What was appended as a whole, in that order."""
    decoder, found = msgspec.json.Decoder(Event), list[Event]()
    for line in path.read_bytes().split(b"\n") if path.exists() else ():
        with suppress(msgspec.DecodeError):
            found.append(decoder.decode(line))
    return found


NOT_CALLABLE = "a text"
