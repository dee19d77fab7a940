"""10,000 batches that run at one deployment, looked at every 60 s: what that costs, how late looks are."""

from __future__ import annotations

import argparse
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from benchmarks import _report
from benchmarks._client import get_json
from benchmarks._gateway import SERVE, Lag, write_config
from benchmarks._processes import CPU, Server, running, scratch, step_back
from benchmarks._running import looks_at, run_batches, seed_running
from tests.postgres import own_server

CPU_BAR = 5.0
LATE_BAR = 2.0
LIST_BAR = 1.2
"""times as many list calls as the jobs have pages"""
LAG_BAR = 10.0
MEGABYTE = 1_000_000
PAGE = 100
SIMULATE = ("-c", "from litebatch_asgi.cli import main; main()", "simulate", "--port", "0")
HELD = ("--set", 'hold=["in_progress"]')
GOING = ("--set", "running_seconds=3600")


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """What is measured."""

    jobs: int
    interval: float
    """seconds between two looks at a job"""
    rounds: int
    is_going: bool
    """whether the provider tells other counts at each look"""

    @property
    def seconds(self) -> float:
        """How long is measured."""
        return self.rounds * self.interval


class Calls(msgspec.Struct, frozen=True, kw_only=True):
    """Calls at the provider."""

    counts: dict[str, int]
    """by their kind"""
    seq: int
    """of the last one"""


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What happened meanwhile."""

    cpu: CPU
    idle_cpu: CPU
    """of a gateway with nothing to do"""
    memory: float
    """MB at most over what the idle gateway holds"""
    calls: dict[str, int]
    """of each kind, at the provider"""
    longest_gap: float
    """seconds between two looks at one job"""


def watch_looks(database: str, seconds: float, interval: float) -> float:
    """The longest time between two looks at one job, told by when its next look is set anew."""
    pause = interval / 60
    due = looks_at(database)
    looked = dict.fromkeys(due, time.monotonic())
    longest = 0.0
    end = time.monotonic() + seconds
    while (now := time.monotonic()) < end:
        time.sleep(min(pause, end - now))
        at, now_due = time.monotonic(), looks_at(database)
        for job in now_due.items() - due.items():
            longest = max(longest, at - looked[job[0]])
            looked[job[0]] = at
        due = now_due
    return max(longest, *(end - at for at in looked.values()))


def measure(shape: Shape, database: str, gateway: Server, idle: Server, simulator: Server) -> Measured:
    """Let some rounds pass."""
    gateway.reset_peak()
    before, idle_before, seq = gateway.cpu(), idle.cpu(), calls_of(simulator).seq
    gap = watch_looks(database, shape.seconds, shape.interval)
    return Measured(
        cpu=gateway.cpu().since(before),
        idle_cpu=idle.cpu().since(idle_before),
        memory=(gateway.peak() - idle.resident()) / MEGABYTE,
        calls=calls_of(simulator, seq).counts,
        longest_gap=gap,
    )


def calls_of(simulator: Server, after: int = 0) -> Calls:
    """The calls behind the entry `after` of its journal."""
    return msgspec.convert(get_json(simulator.address, f"/_simulator/counts?after={after}"), Calls)


def take_lag(server: Server) -> Lag:
    """How late its event loop has been since it was last asked."""
    return msgspec.convert(get_json(server.address, "/lag"), Lag)


def report(kind: str, shape: Shape, measured: Measured, lags: tuple[Lag, Lag]) -> None:
    """Show it beside the bars."""
    share = 100 * measured.cpu.total / shape.seconds
    idle = 100 * measured.idle_cpu.total / shape.seconds
    each = {call: count / shape.rounds for call, count in sorted(measured.calls.items())}
    pages = -(-shape.jobs // PAGE)
    name = f"{kind}: {shape.jobs:,} jobs"
    loop = 100 * measured.cpu.loop / shape.seconds
    _report.show(f"{name}: of it the loop; an idle gateway", f"{loop:.2f} %; {idle:.2f} %")
    _report.show(f"{name}: calls a round", ", ".join(f"{call} {count:.1f}" for call, count in each.items()))
    _report.show(f"{name}: memory over idle", f"{measured.memory:.1f} MB")
    for where, lag in zip(("in the gateway", "in an idle one"), lags, strict=True):
        told = f"{lag.median:.1f}, {lag.p999:.1f} and {lag.worst:.1f} ms; {lag.p999_running:.1f}"
        _report.show(f"{name}: lag {where}, median, p99.9, worst; p99.9 running", told)
    _report.at_most(f"{name}: lag, p99.9", lags[0].p999, LAG_BAR, "ms")
    _report.at_most(f"{name}: CPU", share, CPU_BAR, "% of a core")
    gap = measured.longest_gap / shape.interval
    _report.at_most(f"{name}: longest between two looks", gap, LATE_BAR, "intervals")
    listed = each.get("list_batches", 0.0) / pages
    _report.at_most(f"{name}: list calls beside pages", listed, LIST_BAR, "times")


@contextmanager
def database_of(kind: str, folder: Path) -> Generator[str]:
    """A file, or a URL."""
    if kind == "sqlite":
        yield str(folder / "gateway.db")
        return
    with own_server(folder) as server:
        yield server.url()


def compare(kind: str, shape: Shape) -> None:
    """Measure what it costs on one database; then, with a meter in the process, how late the loop is."""
    with ExitStack() as stack:
        folder = stack.enter_context(scratch())
        database = stack.enter_context(database_of(kind, folder))
        command = [*SIMULATE, *(GOING if shape.is_going else HELD)]
        simulator = stack.enter_context(running(folder, command))
        seed_running(database, run_batches(simulator.address, shape.jobs))
        config = _config(folder / "own", simulator, database, shape)
        nothing = _config(folder / "idle", simulator, str(folder / "idle.db"), shape)
        step_back()
        with (
            running(folder, [*SERVE, str(config)]) as gateway,
            running(folder, [*SERVE, str(nothing)]) as idle,
        ):
            time.sleep(2 * shape.interval)
            measured = measure(shape, database, gateway, idle, simulator)
        metered = ["-m", "benchmarks._gateway", "--config"]
        with (
            running(folder, [*metered, str(config)]) as gateway,
            running(folder, [*metered, str(nothing)]) as idle,
        ):
            time.sleep(shape.interval / 4)
            for server in (gateway, idle):
                take_lag(server)
            time.sleep(1.5 * shape.interval)
            lags = take_lag(gateway), take_lag(idle)
    report(kind, shape, measured, lags)


def _config(folder: Path, simulator: Server, database: str, shape: Shape) -> Path:
    folder.mkdir()
    url = database if "://" in database else f"sqlite:///{database}"
    return write_config(folder, [simulator], database=url, max_poll_seconds=shape.interval)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--interval", type=float, default=60.0, help="seconds between two looks at a job")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="500 jobs, every 6 seconds")
    parser.add_argument("--going", action="store_true", help="each look finds other counts")
    parser.add_argument("--database", choices=["sqlite", "postgresql"], help="only this one")
    options = parser.parse_args()
    jobs, interval = (500, 6.0) if options.quick else (options.jobs, options.interval)
    shape = Shape(jobs=jobs, interval=interval, rounds=options.rounds, is_going=options.going)
    for kind in (options.database,) if options.database else ("sqlite", "postgresql"):
        compare(kind, shape)


if __name__ == "__main__":
    main()
