"""Workers that count into one folder: each into files of its own, and none of them for ever.

prometheus-client names such files by process id, so that each worker that ever was leaves some behind, which
every scrape reads. Here each worker takes a slot, the lowest that no living one has, and goes on counting
where the one before it has stopped. A lock, which ends with its process however that ends, tells which live.
"""

from __future__ import annotations

import os
from itertools import count
from pathlib import Path

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""prometheus-client's variable that names the folder"""
_LOCK = "slot-{number}.lock"
_LIVE = "gauge_live"
"""how the names of files begin whose values count only while their worker lives"""


def take_slot(folder: Path) -> str:
    """Take a slot for as long as this process lives; what its files are named by. Once a process."""
    for number in count():
        taken = os.open(folder / _LOCK.format(number=number), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if _lock(taken, alone=True):
            for file in folder.glob(f"{_LIVE}*_{number}.db"):
                file.unlink()
            return str(number)
        os.close(taken)
    raise AssertionError  # there is no end to numbers


def of_living(folder: Path) -> list[Path]:
    """The files that count: all but those of dead workers that say how things are now."""
    return [file for file in folder.glob("*.db") if not file.name.startswith(_LIVE) or _lives(file)]


def _lives(file: Path) -> bool:
    number = file.stem.rpartition("_")[2]
    lock = file.with_name(_LOCK.format(number=number))
    if not lock.exists():
        return True  # one that is named by a process id: its host says when that is dead
    opened = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    try:
        return not _lock(opened, alone=False)
    finally:
        os.close(opened)


def _lock(opened: int, *, alone: bool) -> bool:
    import fcntl  # not everywhere: where it is not, no worker takes a slot

    try:
        fcntl.flock(opened, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
