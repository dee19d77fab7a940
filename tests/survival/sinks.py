"""Sinks of gateways that are killed: each keeps what it takes in a file, before it says that it has it.

What they take goes to the folder that the environment names: one file each, for all processes that have it.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import anyio

from litebatch_asgi import Event
from tests.delivering.handlers import append_to, appended

FOLDER = "FOLDER_OF_SINKS"
FAIL_SHARE = 0.3
"""of its events, how many the failing sink does not take, or takes without saying so"""
HANG_SHARE = 0.06
"""likewise of the hanging one"""


async def plain(event: Event) -> None:
    """Take all at once."""
    _take("plain", event)


async def failing(event: Event) -> None:
    """Fail at random, as often before it has taken the event as after."""
    chance = random.random()
    if chance < FAIL_SHARE / 2:
        raise RuntimeError("not now")
    _take("failing", event)
    if chance < FAIL_SHARE:
        raise RuntimeError("taken, and not said")


async def hanging(event: Event) -> None:
    """Hang at random until it is cancelled, likewise."""
    chance = random.random()
    if chance < HANG_SHARE / 2:
        await anyio.sleep_forever()
    _take("hanging", event)
    if chance < HANG_SHARE:
        await anyio.sleep_forever()


async def later(event: Event) -> None:
    """Take all at once: for a configuration that not all processes have yet."""
    _take("later", event)


def _take(name: str, event: Event) -> None:
    append_to(_file(Path(os.environ[FOLDER]), name), event)


def taken(folder: Path, name: str) -> list[Event]:
    """What a sink of the processes with this folder has taken, in this order."""
    return appended(_file(folder, name))


def _file(folder: Path, name: str) -> Path:
    return folder / f"taken by {name}.jsonl"


def named(*names: str) -> list[str]:
    """What a configuration calls them."""
    return [f"{__name__}:{name}" for name in names]
