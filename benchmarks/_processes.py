"""Servers in processes of their own, and what they cost."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import psutil

ROOT = Path(__file__).parent.parent
_ADDRESS = re.compile(r"http://([0-9.]+):([0-9]+)")
_STOP_SECONDS = 40.0
_STEP_BACK = 10


class CPU(NamedTuple):
    """CPU seconds of a process since it began."""

    user: float
    system: float
    loop: float
    """of the main thread, which runs the event loop; part of the other two"""

    @property
    def total(self) -> float:
        """User and system."""
        return self.user + self.system

    def since(self, earlier: CPU) -> CPU:
        """What came on top of `earlier`."""
        return CPU(*(now - then for now, then in zip(self, earlier, strict=True)))


class Server:
    """A server that runs and can be measured."""

    def __init__(self, process: subprocess.Popen[str], address: tuple[str, int]) -> None:
        self.address = address
        self.pid = process.pid
        self._process = psutil.Process(process.pid)

    def cpu(self) -> CPU:
        """What it has used so far, its children included."""
        times = self._process.cpu_times()
        loop = [thread for thread in self._process.threads() if thread.id == self.pid]
        return CPU(
            times.user + times.children_user,
            times.system + times.children_system,
            sum(thread.user_time + thread.system_time for thread in loop),
        )

    def resident(self) -> int:
        """Bytes of memory that it holds now."""
        return self._process.memory_info().rss

    def reset_peak(self) -> None:
        """Begin anew with `peak`. Linux only."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def peak(self) -> int:
        """The most bytes that it has held at once since `reset_peak`."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        (kilobytes,) = re.findall(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
        return int(kilobytes) << 10


def step_back() -> None:
    """Let other processes have the cores first: clients and deployments have machines of their own."""
    os.nice(_STEP_BACK)


@contextmanager
def scratch() -> Generator[Path]:
    """A folder on a disk; the system's temporary one may be in memory."""
    disk = Path("/var/tmp")
    with tempfile.TemporaryDirectory(prefix="litebatch-bench-", dir=disk if disk.is_dir() else None) as name:
        yield Path(name)


@contextmanager
def running(
    folder: Path, arguments: Sequence[str], env: Mapping[str, str] | None = None
) -> Generator[Server]:
    """A server, from when it names its address on stdout to the end of the block.

    `arguments` go to this Python. What it logs is kept in `folder` and shown when the block raises.
    """
    with tempfile.TemporaryFile("w+", dir=folder) as log:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env={**os.environ, **(env or {})},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        try:
            yield Server(process, _address(process))
        except BaseException:
            log.seek(0)
            told = [line for line in log if '"litebatch_asgi.access"' not in line]
            sys.stderr.write("".join(told[-30:]))
            raise
        finally:
            _stop(process)


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.communicate(timeout=_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


def _address(process: subprocess.Popen[str]) -> tuple[str, int]:
    assert process.stdout is not None
    for line in process.stdout:
        found = _ADDRESS.search(line)
        if found is not None:
            return found[1], int(found[2])
    raise RuntimeError(f"{process.args!r} did not start")
