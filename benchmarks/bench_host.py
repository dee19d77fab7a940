"""What a host notices of LiteBatch in it while 1 GB in 100,000 lines is uploaded through both.

Its own route is asked all the while, and its event loop's lag measured; beside it a host that only spools.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import NamedTuple

import msgspec

from benchmarks import _report
from benchmarks._client import get_json, upload
from benchmarks._content import Content
from benchmarks._gateway import Lag, write_config
from benchmarks._host import UNRELATED
from benchmarks._probe import Latency, probing
from benchmarks._processes import Server, running, scratch, step_back

LAG_BAR = 10.0
LATENCY_BAR = 2.0
MEMORY_BAR = 64.0
MEGABYTE = 1_000_000


class Figures(NamedTuple):
    """What a host was like while one file passed."""

    latency: Latency
    lag: Lag
    memory: float
    """MB at most over what it held before the first file"""
    rate: float
    """MB per second"""


def take_lag(host: Server) -> Lag:
    """How late its event loop has been since it was last asked."""
    return msgspec.convert(get_json(host.address, "/lag"), Lag)


def measure(host: Server, idle: int, content: Content) -> Figures:
    """Upload once, and look at the host meanwhile. `idle`: what it held at first, in bytes."""
    host.reset_peak()
    with probing(host.address, UNRELATED) as probe:
        take_lag(host)
        began = time.perf_counter()
        upload(host.address, content.blocks(), content.size)
        took = time.perf_counter() - began
        lag, latency = take_lag(host), probe.stop()
    return Figures(latency, lag, (host.peak() - idle) / MEGABYTE, content.size / MEGABYTE / took)


def report(name: str, rounds: Sequence[Figures]) -> None:
    """Show what was measured of one host."""
    _report.show(f"{name}: MB per second", _report.spread([each.rate for each in rounds], 0))
    for what, figures in (
        ("its own route, median, ms", [each.latency.median for each in rounds]),
        ("its own route, p99, ms", [each.latency.p99 for each in rounds]),
        ("its own route, worst, ms", [each.latency.worst for each in rounds]),
        ("lag, median, ms", [each.lag.median for each in rounds]),
        ("lag, p99.9, ms", [each.lag.p999 for each in rounds]),
        ("lag, p99.9 less waiting for a core, ms", [each.lag.p999_running for each in rounds]),
        ("memory over idle, MB", [each.memory for each in rounds]),
    ):
        _report.show(f"  {what}", _report.spread(figures, 1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--lines", type=int, default=100_000)
    parser.add_argument("--quick", action="store_true", help="one round with a fifth of the lines")
    options = parser.parse_args()
    rounds, lines = (1, options.lines // 5) if options.quick else (options.rounds, options.lines)
    if not Path("/proc/self/clear_refs").exists():
        print("  the peak of a process's memory can be read on Linux only")
        return
    content = Content(lines=lines, line_bytes=10_000)
    with ExitStack() as stack:
        folder = stack.enter_context(scratch())
        deployments = [
            stack.enter_context(running(folder, ["-m", "benchmarks._deployment"])) for _ in range(2)
        ]
        config = write_config(folder, deployments, max_file_bytes=content.size, max_file_lines=content.lines)
        ours = stack.enter_context(running(folder, ["-m", "benchmarks._host", "--config", str(config)]))
        bare = stack.enter_context(running(folder, ["-m", "benchmarks._host"], {"TMPDIR": str(folder)}))
        step_back()
        hosts = (bare, ours)
        idle = {host: host.resident() for host in hosts}
        measured: dict[Server, list[Figures]] = {host: [] for host in hosts}
        for _ in range(rounds):
            for host in hosts:
                measured[host].append(measure(host, idle[host], content))
    report("a host that only spools", measured[bare])
    report("a host with LiteBatch", measured[ours])
    slower = [
        mine.latency.p99 / theirs.latency.p99
        for mine, theirs in zip(measured[ours], measured[bare], strict=True)
    ]
    _report.at_most("the host's own route, p99, beside bare spooling", median(slower), LATENCY_BAR, "times")
    _report.at_most("lag inside the host, p99.9", median(m.lag.p999 for m in measured[ours]), LAG_BAR, "ms")
    _report.at_most("memory over idle", max(m.memory for m in measured[ours]), MEMORY_BAR, "MB")


if __name__ == "__main__":
    main()
