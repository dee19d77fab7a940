"""From the start of `litebatch serve` to its first answer, and the memory that it takes then."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

from benchmarks import _report
from benchmarks._client import get_json
from benchmarks._gateway import SERVE, write_config
from benchmarks._processes import Server, running, scratch

ROUNDS = 9
FEWER = 3
READY_BAR = 0.6
MEMORY_BAR = 50.0
MEGABYTE = 1 << 20
_IDLE_SECONDS = 2.0


class Start(NamedTuple):
    """One start."""

    ready: float
    """seconds until it can serve"""
    cpu: float
    """seconds until then"""
    resident: float
    """MB after a while in which nobody asked for anything"""


def start(folder: Path, deployments: Sequence[Server]) -> Start:
    """Start a gateway, and stop it."""
    config = write_config(folder, deployments)
    began = time.perf_counter()
    with running(folder, [*SERVE, str(config)]) as gateway:
        get_json(gateway.address, "/health/readiness")
        ready, cpu = time.perf_counter() - began, gateway.cpu().total
        time.sleep(_IDLE_SECONDS)
        return Start(ready, cpu, gateway.resident() / MEGABYTE)


def main() -> None:
    """Measure with bytecode, as everything that is installed has it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--quick", action="store_true", help=f"{FEWER} starts")
    options = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with scratch() as folder, running(folder, ["-m", "benchmarks._deployment"]) as deployment:
        start(folder, [deployment])  # makes the database and leaves the bytecode behind
        starts = [start(folder, [deployment]) for _ in range(FEWER if options.quick else options.rounds)]
    _report.show("CPU until it can serve", f"{_report.spread([each.cpu for each in starts])} s")
    ready = median(each.ready for each in starts)
    _report.at_most("from the start until it can serve", ready, READY_BAR, "s")
    resident = median(each.resident for each in starts)
    _report.at_most("memory of an idle gateway", resident, MEMORY_BAR, "MB")


if __name__ == "__main__":
    main()
