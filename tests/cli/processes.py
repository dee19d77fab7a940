"""`litebatch` as a process of its own, with warnings as errors."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol

COMMAND = [sys.executable, "-W", "error", "-c", "from litebatch_asgi.cli import main; main()"]
ADDRESS = re.compile(r"http://[^\s/]+")
SECONDS = 50


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without what the command line reads."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("LITEBATCH_", "OPENAI_")) and "proxy" not in name.lower()
    }
    return {**kept, "NO_COLOR": "1", "COLUMNS": "200", **extra}


def run(*arguments: str, cwd: Path, **extra: str) -> subprocess.CompletedProcess[str]:
    """Run `litebatch` to its end."""
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=cwd,
        env=environment(extra),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


class Process(Protocol):
    """What we use of `subprocess.Popen`."""

    pid: int

    def send_signal(self, sig: signal.Signals, /) -> None:
        """Send a signal, if it lives."""
        ...

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it has ended; its exit code."""
        ...


class Running:
    """A `litebatch` that serves. What it has printed so far is `told`; its log is in the file `log`."""

    def __init__(self, process: Process, stdout: IO[str], log: Path) -> None:
        self.process = process
        self.log = log
        self.told = ""
        self._stdout = stdout

    def read_until(self, text: str) -> None:
        """Read what it prints up to the line with `text`."""
        for line in self._stdout:
            self.told += line
            if text in line:
                return
        raise AssertionError(f"it ended before it told {text!r}: {self.told}{self.log.read_text()}")

    @property
    def address(self) -> str:
        """The first address that it told."""
        found = ADDRESS.search(self.told)
        assert found, self.told
        return found[0]

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(SECONDS)


@contextmanager
def running(*arguments: str, cwd: Path, until: str, **extra: str) -> Generator[Running]:
    """Start `litebatch` in `cwd` and wait until it prints a line with `until`; it is killed at the end."""
    log = cwd / f"{arguments[0]}.log"
    with (
        log.open("w") as stderr,
        subprocess.Popen(
            [*COMMAND, *arguments],
            cwd=cwd,
            env=environment(extra),
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        try:
            started = Running(process, process.stdout, log)
            started.read_until(until)
            yield started
        finally:
            process.kill()
