"""A client that asks for one path again and again, and notes how long each answer took.

Run as a program it goes on until its stdin is closed, and then prints its figures.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from contextlib import closing, contextmanager
from http.client import HTTPConnection

import msgspec

from benchmarks._client import AUTHORIZATION, Address
from benchmarks._processes import ROOT

PAUSE_SECONDS = 0.004
_TIMEOUT_SECONDS = 30.0


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """How long answers took, in milliseconds."""

    count: int
    median: float
    p99: float
    worst: float


class Probe:
    """A probe in a process of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def stop(self) -> Latency:
        """Let it end; what it has seen."""
        told, _ = self._process.communicate("")
        return msgspec.json.decode(told, type=Latency)


@contextmanager
def probing(address: Address, path: str) -> Generator[Probe]:
    """Ask while the block lasts."""
    host, port = address
    command = [sys.executable, "-m", "benchmarks._probe", host, str(port), path]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()  # it has begun
        try:
            yield Probe(process)
        finally:
            if process.poll() is None:
                process.kill()


def ask(address: Address, path: str, stopped: threading.Event) -> Latency:
    """Ask until `stopped`, with a pause after each answer. Raises `RuntimeError` for one that is no 200."""
    took: list[float] = []
    with closing(HTTPConnection(*address, timeout=_TIMEOUT_SECONDS)) as connection:
        while not (took and stopped.is_set()):
            began = time.perf_counter()
            connection.request("GET", path, headers={"Authorization": AUTHORIZATION})
            response = connection.getresponse()
            response.read()
            took.append(1000 * (time.perf_counter() - began))
            if response.status != 200:
                raise RuntimeError(f"{path}: {response.status}")
            time.sleep(PAUSE_SECONDS)
    took.sort()
    return Latency(
        count=len(took), median=took[len(took) // 2], p99=took[len(took) * 99 // 100], worst=took[-1]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("path")
    options = parser.parse_args()
    stopped = threading.Event()
    print(flush=True)

    def wait() -> None:
        sys.stdin.read()
        stopped.set()

    threading.Thread(target=wait, daemon=True).start()
    latency = ask((options.host, options.port), options.path, stopped)
    sys.stdout.buffer.write(msgspec.json.encode(latency))


if __name__ == "__main__":
    main()
