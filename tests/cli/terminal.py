"""`litebatch` on a terminal, of 80 columns unless told otherwise."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from select import select

from tests.cli.processes import COMMAND, SECONDS, Process, environment
from tests.forks import Forked, Order

COLUMNS = 80
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")
_PIECES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\r\n]|[^\x1b\r\n]+")
_UP, _ERASE = re.compile(r"\x1b\[(\d*)A"), "\x1b[2K"
CTRL_C = "\x03"


class Terminal:
    """A process with a terminal, on which stdout and stderr are shown together."""

    def __init__(self, process: Process, screen: int) -> None:
        self.process = process
        self._screen = screen
        self._shown = b""
        self._deadline = time.monotonic() + SECONDS

    @property
    def shown(self) -> str:
        """What was shown so far, without colours."""
        return _ESCAPES.sub("", self._shown.decode(errors="replace"))

    @property
    def raw(self) -> str:
        """The same with all that the terminal was sent."""
        return self._shown.decode(errors="replace")

    @property
    def screen(self) -> str:
        """What is left on it: of what was drawn over, the last."""
        lines, row, column = [""], 0, 0
        for piece in _PIECES.findall(self.raw):
            if piece == "\n":
                row += 1
                lines += [""] * (row + 1 - len(lines))
            elif piece == "\r":
                column = 0
            elif (up := _UP.fullmatch(piece)) is not None:
                row = max(row - int(up[1] or 1), 0)
            elif piece == _ERASE:
                lines[row] = ""
            elif not piece.startswith("\x1b"):
                lines[row] = f"{lines[row][:column]:{column}}{piece}{lines[row][column + len(piece) :]}"
                column += len(piece)
        return "".join(f"{line}\n" for line in lines).rstrip("\n") + "\n"

    def read_until(self, text: str) -> None:
        """Wait until `text` is shown."""
        while text not in self.shown:
            assert self._read(), f"it ended before {text!r}: {self.shown}"

    def read_until_asked(self) -> None:
        """Wait until a question is shown and an answer waited for: earlier a Ctrl-C may go unnoticed."""
        self.read_until("[y/N]: ")
        while Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[0] != "S":
            time.sleep(0.01)

    def type(self, keys: str) -> None:
        """Type on the keyboard; Ctrl-C is what it is for every process of the terminal."""
        os.write(self._screen, keys.encode())

    def end(self) -> int:
        """Wait for the end; its exit code, or minus the signal that ended it."""
        while self._read():
            pass
        return self.process.wait(SECONDS)

    def _read(self) -> bool:
        ready, _, _ = select([self._screen], [], [], max(0.0, self._deadline - time.monotonic()))
        assert ready, f"nothing more within {SECONDS} seconds: {self.shown}"
        with suppress(OSError):  # EIO: nobody has the terminal any more
            block = os.read(self._screen, 65536)
            self._shown += block
            return bool(block)
        return False


@contextmanager
def terminal(*arguments: str, cwd: Path, **extra: str) -> Generator[Terminal]:
    """Run `litebatch` on a terminal of its own, which has `COLUMNS`; it is killed at the end."""
    screen, theirs = _opened(extra)
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=cwd,
        env=_environment(extra),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(theirs)
    try:
        yield Terminal(process, screen)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        os.close(screen)


@contextmanager
def forked_terminal(*arguments: str, cwd: Path, **extra: str) -> Generator[Terminal]:
    """The same, where the process is forked from one that has imported everything."""
    screen, theirs = _opened(extra)
    with Connection(theirs) as its_end:
        order = Order(
            arguments=arguments, environment=_environment(extra), stdout=its_end, stderr=None, folder=cwd
        )
        process = Forked(order)
    try:
        yield Terminal(process, screen)
    finally:
        process.kill()
        os.close(screen)


def _opened(extra: Mapping[str, str]) -> tuple[int, int]:
    """Both ends of a terminal."""
    columns = int(extra.get("COLUMNS", COLUMNS))
    screen, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    return screen, theirs


def _environment(extra: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in environment(extra).items() if name not in ("COLUMNS", "LINES")}
    return kept | {"TERM": extra.get("TERM", "xterm"), "TZ": "UTC"}
