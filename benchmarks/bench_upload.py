"""What an upload costs: 200 MB of requests, checked, rewritten and sent to two deployments."""

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

MEGABYTE = 1_000_000
REFERENCE_TIMES = 2.5


class Kind(NamedTuple):
    """Files of one kind."""

    name: str
    content: Content
    bar: float
    """milliseconds of CPU per MB"""


LONG = Kind("lines of 4 KB", Content(lines=50_000, line_bytes=4000), 6.0)
KINDS = (
    LONG,
    Kind("with sorted keys", Content(lines=50_000, line_bytes=4000, spelling="sorted"), 6.0),
    Kind("in CRLF", Content(lines=50_000, line_bytes=4000, spelling="crlf"), 6.0),
    Kind("lines of 400 bytes", Content(lines=500_000, line_bytes=400), 12.0),
)


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


def run(gateway: Server, bare: Server, kinds: Sequence[Kind], rounds: int, profile: Path | None) -> None:
    """Upload files of each kind in turns, and show what it costs."""
    measured: dict[str, list[Figures]] = {kind.name: [] for kind in kinds}
    reference: list[Figures] = []
    with profiled(gateway, profile):
        for _ in range(rounds):
            for kind in kinds:
                blocks, size = list(kind.content.blocks()), kind.content.size
                if kind is LONG:
                    reference.append(measure(bare, blocks, size))
                measured[kind.name].append(measure(gateway, blocks, size))
    for kind in kinds:
        megabytes = kind.content.size / MEGABYTE
        cost = report(f"LiteBatch, {kind.name}", measured[kind.name], megabytes)
        _report.at_most(f"CPU of an upload, {kind.name}", cost, kind.bar, "ms per MB")
        if kind is LONG:
            bare_cost = report("Starlette's form to disk, nothing else", reference, megabytes)
            _report.at_most("beside Starlette's form", cost / bare_cost, REFERENCE_TIMES, "times")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="lines of 4 KB alone, three times")
    parser.add_argument("--profile", type=Path, metavar="FILE", help="record with py-spy, for speedscope")
    options = parser.parse_args()
    kinds, rounds = ((LONG,), 3) if options.quick else (KINDS, options.rounds)
    first = list(Content(lines=250, line_bytes=4000).blocks())
    with (
        scratch() as folder,
        running(folder, ["-m", "benchmarks._deployment"]) as one,
        running(folder, ["-m", "benchmarks._deployment"]) as other,
        running(folder, [*SERVE, str(write_config(folder, [one, other]))]) as gateway,
        running(folder, ["-m", "benchmarks._bare"], {"TMPDIR": str(folder)}) as bare,
    ):
        for server in (gateway, bare):
            measure(server, first, sum(map(len, first)))
        run(gateway, bare, kinds, rounds, options.profile)


if __name__ == "__main__":
    main()
