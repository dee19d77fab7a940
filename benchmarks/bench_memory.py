"""What 1 GB in 500,000 lines costs in memory, up, in parts and down, and how late the event loop runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import NamedTuple, TypeVar
from zlib import crc32

import msgspec

from benchmarks import _report
from benchmarks._client import Address, download, get_json, upload, upload_in_parts
from benchmarks._content import Content
from benchmarks._gateway import Lag, write_config
from benchmarks._processes import Server, running, scratch, step_back
from litebatch_asgi.models.uploads import MOST_PART_BYTES

CONTENT = Content(lines=500_000, line_bytes=2_000)
MEMORY_BAR = 64.0
LAG_BAR = 10.0
MEGABYTE = 1_000_000

T = TypeVar("T")


class Figures(NamedTuple):
    """What happened while the file passed."""

    memory: float
    """MB at most over what the server held before it had done anything"""
    lag: Lag
    lag_beside: Lag
    """in a process with nothing to do: what of it is the machine's"""
    rate: float
    """MB per second"""


def measure(gateway: Server, beside: Server, idle: int, work: Callable[[], T]) -> tuple[T, Figures]:
    """Do the work, look at the gateway meanwhile. `idle`: what it held at first, in bytes."""
    for server in (gateway, beside):
        take_lag(server)
    gateway.reset_peak()
    began = time.perf_counter()
    outcome = work()
    took = time.perf_counter() - began
    return outcome, Figures(
        memory=(gateway.peak() - idle) / MEGABYTE,
        lag=take_lag(gateway),
        lag_beside=take_lag(beside),
        rate=CONTENT.size / MEGABYTE / took,
    )


def take_lag(server: Server) -> Lag:
    """How late its event loop has been since it was last asked."""
    return msgspec.convert(get_json(server.address, "/lag"), Lag)


def send(address: Address) -> str:
    """Upload the file; its id."""
    file_id: str = upload(address, CONTENT.blocks(), CONTENT.size)["id"]
    return file_id


def send_in_parts(address: Address) -> str:
    """The same in parts, as large as the stock client makes them; its id."""
    file_id: str = upload_in_parts(address, CONTENT.blocks(), CONTENT.size, MOST_PART_BYTES)["id"]
    return file_id


def receive(address: Address, file_id: str) -> int:
    """Download a file; its checksum."""
    return checksum(download(address, f"/v1/files/{file_id}/content"))


def checksum(blocks: Iterable[bytes | memoryview]) -> int:
    """Of all the blocks together."""
    value = 0
    for block in blocks:
        value = crc32(block, value)
    return value


def report(name: str, figures: Figures) -> None:
    """Show what was measured."""
    _report.show(f"{name}: MB per second", f"{figures.rate:.0f}")
    for where, lag in (("in the server", figures.lag), ("in an idle process", figures.lag_beside)):
        told = f"{lag.median:.1f}, {lag.p999:.1f} and {lag.worst:.1f} ms"
        _report.show(f"{name}: lag {where}, median, p99.9, worst", told)
    _report.show("  p99.9 in the server less waiting for a core", f"{figures.lag.p999_running:.1f} ms")
    _report.at_most(f"{name} of 1 GB: memory over idle", figures.memory, MEMORY_BAR, "MB")


def gateway_in(folder: Path, deployments: list[Server]) -> AbstractContextManager[Server]:
    """A gateway that takes the file."""
    folder.mkdir()
    config = write_config(folder, deployments, max_file_bytes=CONTENT.size, max_file_lines=CONTENT.lines)
    return running(folder, ["-m", "benchmarks._gateway", "--config", str(config)])


def main() -> None:
    if not Path("/proc/self/clear_refs").exists():
        print("  the peak of a process's memory can be read on Linux only")
        return
    held = ["--lines", str(CONTENT.lines), "--line-bytes", str(CONTENT.line_bytes)]
    with ExitStack() as stack:
        folder = stack.enter_context(scratch())
        deployments = [
            stack.enter_context(running(folder, ["-m", "benchmarks._deployment", *held])) for _ in range(2)
        ]
        gateway, beside = (stack.enter_context(gateway_in(folder / n, deployments)) for n in ("one", "two"))
        step_back()
        idle = gateway.resident()
        file_id, up = measure(gateway, beside, idle, lambda: send(gateway.address))
        report("upload", up)
        _report.at_most("upload of 1 GB: lag, p99.9", up.lag.p999, LAG_BAR, "ms")
        _, parts = measure(gateway, beside, idle, lambda: send_in_parts(gateway.address))
        report("upload in parts", parts)
        received, down = measure(gateway, beside, idle, lambda: receive(gateway.address, file_id))
        report("download", down)
    if received != checksum(CONTENT.blocks()):
        raise RuntimeError("the file came back changed")


if __name__ == "__main__":
    main()
