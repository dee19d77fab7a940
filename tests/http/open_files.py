"""What this process has open."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


def open_in(folder: Path) -> list[str]:
    """The files of a folder, be they without a name, that this process has open."""
    found: list[str] = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the one that listed the folder
            found.append(str(descriptor.readlink()))
    return [name for name in found if name.startswith(str(folder))]
