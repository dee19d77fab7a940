"""What this process has open."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


def open_in(folder: Path) -> list[str]:
    """The files of a folder, be they without a name, that this process has open."""
    return list(descriptors_in(folder).values())


def descriptors_in(folder: Path) -> dict[int, str]:
    """The same with the descriptor of each."""
    found: dict[int, str] = {}
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the one that listed the folder
            found[int(descriptor.name)] = str(descriptor.readlink())
    return {number: name for number, name in found.items() if name.startswith(str(folder))}
