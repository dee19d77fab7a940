"""llama.cpp's server in a process of its own: `python -m tests.llama.server MODEL PORT`, until stdin ends."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

CONTEXT = 512
"""tokens of a request with its answer; a byte is a token"""
SLOTS = 4
"""requests that it works on at once"""


def _serve(model: str, port: int) -> None:
    xllamacpp: Any = import_module("xllamacpp")  # not installed where types are checked
    params = xllamacpp.CommonParams()
    params.model.path = model
    params.hostnames = ["127.0.0.1"]
    params.port = port
    params.n_parallel = SLOTS
    params.n_ctx = SLOTS * CONTEXT
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.warmup = False
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    sys.stdin.read()


class Llama:
    """A running server, which can be killed and started again at the same address."""

    def __init__(self, model: Path) -> None:
        self._model = model
        self._process: subprocess.Popen[str] | None = None
        self.address: str = ""
        self.start()

    def start(self) -> None:
        """Start it, and wait until it listens."""
        port = self.address.rpartition(":")[2] or "0"
        command = [sys.executable, "-m", "tests.llama.server", str(self._model), port]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self._process.stdout is not None
        self.address = self._process.stdout.readline().strip()
        assert self.address.startswith("http://127.0.0.1:")

    def kill(self) -> None:
        """End it at once, with whatever it has under way."""
        assert self._process is not None
        with self._process as process:
            process.kill()


@contextmanager
def running_llama(folder: Path) -> Generator[Llama]:
    """A server with a model of random weights."""
    model = folder / "model.gguf"
    subprocess.run([sys.executable, "-m", "tests.llama.model", str(model)], check=True)
    llama = Llama(model)
    try:
        yield llama
    finally:
        llama.kill()


if __name__ == "__main__":
    _serve(sys.argv[1], int(sys.argv[2]))
