"""Where an SQLite database lives: a file, told by its inode and its file system, else by its path."""

from __future__ import annotations

import os
import re
from pathlib import Path

import msgspec

_TEXT = re.compile(
    r"file (?P<path>.*), inode (?P<inode>\d+), device (?P<device>\d+), filesystem (?P<filesystem>\w+)",
    re.DOTALL,
)
_UNKNOWN = "unknown"


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A file that holds a database."""

    path: str
    """absolute, without symbolic links"""
    inode: int
    device: int
    """may be another after the machine has started again"""
    filesystem: str
    """an id that the file system keeps; `unknown` where it has none"""

    @classmethod
    def of(cls, path: Path) -> Place:
        """Where the file is now. Raises `OSError`."""
        resolved = path.resolve(strict=True)
        status = resolved.stat()
        return cls(
            path=str(resolved),
            inode=status.st_ino,
            device=status.st_dev,
            filesystem=_filesystem(resolved, status.st_dev),
        )

    def __str__(self) -> str:
        """The fingerprint."""
        return f"file {self.path}, inode {self.inode}, device {self.device}, filesystem {self.filesystem}"

    def is_the_one(self, fingerprint: str) -> bool:
        """Whether a fingerprint is of this file.

        The same file may be seen at another path (renamed, mounted elsewhere), and at another device (disks
        are numbered anew when a machine starts); a copy has another inode or is on another file system.
        """
        found = _TEXT.fullmatch(fingerprint)
        if found is None or int(found["inode"]) != self.inode:
            return False
        if _UNKNOWN not in (found["filesystem"], self.filesystem):
            return found["filesystem"] == self.filesystem
        return found["path"] == self.path or int(found["device"]) == self.device


def _filesystem(path: Path, device: int) -> str:
    """The id that `statvfs` tells; some file systems have none but the number of the device.

    The low half alone, for C libraries differ in the rest. Source: statfs(2); of XFS, which gives the
    device's number as the kernel writes it, fs/xfs/xfs_super.c.
    """
    if not hasattr(os, "statvfs"):
        return _UNKNOWN
    told = os.statvfs(path).f_fsid & 0xFFFFFFFF
    major, minor = os.major(device), os.minor(device)
    of_the_device = {0, device & 0xFFFFFFFF, (minor & 0xFF) | (major << 8) | ((minor & ~0xFF) << 12)}
    return _UNKNOWN if told in of_the_device else f"{told:08x}"
