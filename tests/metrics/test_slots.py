"""Slots: who counts into which files, and which of them count."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from litebatch_asgi.metrics.slots import of_living

WORKER = """
import sys
from pathlib import Path
from litebatch_asgi.metrics.slots import take_slot
slot = take_slot(Path(sys.argv[1]))
print(slot, flush=True)
sys.stdin.read()
"""


class Worker:
    """A process that has taken a slot."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stdout is not None
        self.slot = process.stdout.readline().strip()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def worker(folder: Path) -> Generator[Worker]:
    arguments = [sys.executable, "-c", WORKER, str(folder)]
    with subprocess.Popen(arguments, stdin=-1, stdout=-1, text=True) as process:
        taken = Worker(process)
        try:
            yield taken
        finally:
            process.kill()


def files(folder: Path) -> set[str]:
    return {file.name for file in of_living(folder)}


def test_the_lowest_that_nobody_has_is_taken(tmp_path: Path) -> None:
    with worker(tmp_path) as first, worker(tmp_path) as second, worker(tmp_path) as third:
        assert [first.slot, second.slot, third.slot] == ["0", "1", "2"]
        second.kill()
        with worker(tmp_path) as fourth, worker(tmp_path) as fifth:
            assert [fourth.slot, fifth.slot] == ["1", "3"]


def test_what_is_so_now_counts_only_while_its_worker_lives(tmp_path: Path) -> None:
    kept = {"counter_0.db", "histogram_0.db", "counter_4711.db", "gauge_livemax_4711.db"}
    with worker(tmp_path) as first:
        assert first.slot == "0"
        for name in (*kept, "gauge_livemax_0.db"):
            (tmp_path / name).touch()
        assert files(tmp_path) == {*kept, "gauge_livemax_0.db"}
        first.kill()
        assert files(tmp_path) == kept
        with worker(tmp_path) as second:
            assert second.slot == "0"
            assert files(tmp_path) == kept
            assert not (tmp_path / "gauge_livemax_0.db").exists()
