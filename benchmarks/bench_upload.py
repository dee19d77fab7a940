"""What an upload costs: 200 MB in 50,000 lines, checked, rewritten and sent to two deployments."""

from __future__ import annotations

import argparse
import signal
import subprocess
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import NamedTuple

from benchmarks import _report
from benchmarks._client import upload
from benchmarks._content import Content
from benchmarks._gateway import SERVE, write_config
from benchmarks._processes import CPU, Server, running, scratch

CONTENT = Content(lines=50_000, line_bytes=4000)
BAR_MS_PER_MB = 8.0
MEGABYTE = 1_000_000


class Figures(NamedTuple):
    """One upload."""

    cpu: CPU
    wall: float
    """seconds"""


def measure(server: Server, blocks: Sequence[bytes], size: int) -> Figures:
    """Upload once."""
    before, began = server.cpu(), time.perf_counter()
    answer = upload(server.address, blocks, size)
    figures = Figures(server.cpu().since(before), time.perf_counter() - began)
    if answer["bytes"] != size:
        raise RuntimeError(f"{answer['bytes']} of {size} bytes were taken")
    return figures


@contextmanager
def profiled(server: Server, target: Path | None) -> Generator[None]:
    """py-spy beside the server while the block lasts; with a `target` only."""
    if target is None:
        yield
        return
    command = ["py-spy", "record", "--gil", "--format", "speedscope", "--pid", str(server.pid)]
    with subprocess.Popen([*command, "--output", str(target)]) as recording:
        yield
        recording.send_signal(signal.SIGINT)  # it writes what it has, and ends


def report(name: str, rounds: Sequence[Figures], megabytes: float) -> float:
    """Show what was measured of one server; the median CPU in milliseconds per MB."""

    def per_megabyte(part: Callable[[CPU], float]) -> list[float]:
        return [1000 * part(each.cpu) / megabytes for each in rounds]

    total = per_megabyte(lambda cpu: cpu.total)
    _report.show(f"{name}: CPU, ms per MB", _report.spread(total))
    for part, taken in (
        ("user", per_megabyte(lambda cpu: cpu.user)),
        ("system", per_megabyte(lambda cpu: cpu.system)),
        ("event loop's thread", per_megabyte(lambda cpu: cpu.loop)),
        ("other threads", per_megabyte(lambda cpu: cpu.total - cpu.loop)),
    ):
        _report.show(f"  of that {part}", _report.spread(taken))
    _report.show(f"{name}: MB per second", _report.spread([megabytes / each.wall for each in rounds], 0))
    return median(total)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--profile", type=Path, metavar="FILE", help="record with py-spy, for speedscope")
    options = parser.parse_args()
    blocks = list(CONTENT.blocks())
    with (
        scratch() as folder,
        running(folder, ["-m", "benchmarks._deployment"]) as first,
        running(folder, ["-m", "benchmarks._deployment"]) as second,
        running(folder, [*SERVE, str(write_config(folder, [first, second]))]) as gateway,
        running(folder, ["-m", "benchmarks._bare"], {"TMPDIR": str(folder)}) as bare,
    ):
        for server in (gateway, bare):
            measure(server, blocks[:1], len(blocks[0]))
        measured: dict[Server, list[Figures]] = {gateway: [], bare: []}
        with profiled(gateway, options.profile):
            for _ in range(options.rounds):
                for server, figures in measured.items():
                    figures.append(measure(server, blocks, CONTENT.size))
    megabytes = CONTENT.size / MEGABYTE
    reference = report("Starlette's form to disk, nothing else", measured[bare], megabytes)
    figure = report("LiteBatch, to two deployments", measured[gateway], megabytes)
    _report.show("LiteBatch beside Starlette's form", f"{figure / reference:.1f} times")
    _report.at_most("CPU of an upload", figure, BAR_MS_PER_MB, "ms per MB")


if __name__ == "__main__":
    main()
