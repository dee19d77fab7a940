"""Short requests to an inference server that answers at once: LiteBatch beside bare loops of httpx2.

The server runs in a process of its own. A bare loop sends the same bodies with as many under way, and keeps
nothing; another one begins all of them at once and keeps the answers in memory until its end, as scripts do
that run a batch file. LiteBatch has them from an uploaded file, and its results are durable. Beside a second
batch that runs, another one is read through the gateway, and another process claims ranges.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import threading
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import psutil

from benchmarks import _report
from benchmarks._client import get_json
from benchmarks._content import UPSTREAM_MODEL, VIRTUAL_MODEL, Content
from benchmarks._gateway import SERVE, write_models
from benchmarks._journey import measure, receive, send, settle
from benchmarks._probe import probing
from benchmarks._processes import Server, running, scratch
from litebatch_asgi.app import open_storage
from litebatch_asgi.server.listen import loop_factory

IN_FLIGHT = 32
BAR = 0.7
"""of the requests a second of a bare loop"""
BAR_BESIDE = 50.0
"""milliseconds, 99 of 100 reads and claims"""
CLAIM_SECONDS = 0.02
"""from one claim to the next"""
SIMULATE = (
    "-c",
    "from litebatch_asgi.cli import main; main()",
    "simulate",
    *("--flavour", "vllm", "--port", "0"),
)
LINE_BYTES = 300
FIRST = Content(lines=200, line_bytes=LINE_BYTES)


def bodies(content: Content) -> list[bytes]:
    """What is sent for the lines of a file."""
    rows = b"".join(content.blocks()).splitlines()
    return [json.dumps(json.loads(row)["body"] | {"model": UPSTREAM_MODEL}).encode() for row in rows]


async def bare(address: str, sent: list[bytes], in_flight: int) -> float:
    """Send all bodies with so many under way; seconds."""
    left = iter(sent)
    limits = httpx2.Limits(max_connections=in_flight, max_keepalive_connections=in_flight)
    async with httpx2.AsyncClient(base_url=address, limits=limits, timeout=600) as client:

        async def work() -> None:
            for body in left:
                answer = await client.post(
                    "/v1/chat/completions", content=body, headers={"content-type": "application/json"}
                )
                answer.raise_for_status()

        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(in_flight):
                group.create_task(work())
        return time.perf_counter() - began


async def gathered(address: str, sent: list[bytes]) -> float:
    """Begin all at once, and keep what comes; seconds."""
    limits = httpx2.Limits(max_connections=256, max_keepalive_connections=256)
    async with httpx2.AsyncClient(base_url=address, limits=limits, timeout=600) as client:

        async def one(body: bytes) -> bytes:
            answer = await client.post(
                "/v1/chat/completions", content=body, headers={"content-type": "application/json"}
            )
            answer.raise_for_status()
            return answer.content

        began = time.perf_counter()
        await asyncio.gather(*map(one, sent))
        return time.perf_counter() - began


async def claims(database: str, stopped: threading.Event) -> list[float]:
    """Claim ranges of a deployment that has none, over and over: milliseconds of each, sorted."""
    storage, took = open_storage(database), list[float]()
    await storage.open()
    while not (took and stopped.is_set()):
        began = time.perf_counter()
        await storage.lines.claim("beside", lease_seconds=60, room={"elsewhere": 1})
        took.append(1000 * (time.perf_counter() - began))
        await asyncio.sleep(CLAIM_SECONDS)
    await storage.close()
    return sorted(took)


def beside(process: Server, database: str, content: Content) -> None:
    """Run a batch, and show how long reads and claims take beside it."""
    file_id = send(process.address, content)
    [other] = get_json(process.address, "/v1/batches?limit=1")["data"]
    stopped = threading.Event()
    with ThreadPoolExecutor(1) as pool, probing(process.address, f"/v1/batches/{other['id']}") as probe:
        claiming = pool.submit(asyncio.run, claims(database, stopped))
        try:
            settle(process.address, file_id, content.lines)
        finally:
            stopped.set()
        took, reads = claiming.result(), probe.stop()
    _report.at_most(f"{reads.count:,} reads beside it, p99", reads.p99, BAR_BESIDE, "ms")
    _report.at_most(f"{len(took):,} claims beside it, p99", took[len(took) * 99 // 100], BAR_BESIDE, "ms")


@contextmanager
def gateway(folder: Path, server: Server, in_flight: int, database: str, *, lines: int) -> Generator[Server]:
    """A gateway before the server, which takes so many lines in a file."""
    model = {
        "model_name": VIRTUAL_MODEL,
        "params": {
            "model": f"hosted_vllm/{UPSTREAM_MODEL}",
            "api_base": "http://{}:{}/v1".format(*server.address),
            "max_parallel_requests": in_flight,
        },
        "model_info": {"id": "live"},
    }
    settings: dict[str, Any] = {"min_poll_seconds": 0.2, "max_file_lines": lines}
    config = write_models(folder, [model], database=database, **settings)
    with running(folder, [*SERVE, str(config)]) as process:
        yield process


def run(lines: int, in_flight: int, database: str | None, *, is_compared: bool) -> None:
    content = Content(lines=lines, line_bytes=LINE_BYTES)
    with scratch() as folder, running(folder, SIMULATE) as server:
        database = database or f"sqlite:///{folder / 'gateway.db'}"
        address = "http://{}:{}".format(*server.address)
        with gateway(folder, server, in_flight, database, lines=lines) as process:
            settle(process.address, send(process.address, FIRST), FIRST.lines)
            idle = process.resident()
            rates: list[float] = []
            if is_compared:
                sent, cpu = bodies(content), psutil.Process().cpu_times()
                with asyncio.Runner(loop_factory=loop_factory()) as runner:
                    took = runner.run(bare(address, sent, in_flight))
                    used = psutil.Process().cpu_times()
                    rates.append(lines / took)
                    _report.show(f"bare loop, {in_flight} under way", f"{lines / took:.0f} requests a second")
                    spent = used.user + used.system - cpu.user - cpu.system
                    _report.show("bare loop: CPU of a request", f"{1e6 * spent / lines:.0f} µs")
                    took = runner.run(gathered(address, sent))
                    _report.show("all at once, kept in memory", f"{lines / took:.0f} requests a second")
                del sent
            file_id = send(process.address, content)
            cpu_before = process.cpu()
            output_id, took = measure(
                "LiteBatch, batch", process, idle, lambda: settle(process.address, file_id, lines)
            )
            spent = process.cpu().since(cpu_before).total
            _report.show("LiteBatch, from create to end", f"{lines / took:.0f} requests a second")
            _report.show("LiteBatch: CPU of a request", f"{1e6 * spent / lines:.0f} µs")
            receive(process.address, output_id)
            if rates:
                _report.at_least("LiteBatch beside a bare loop", lines / took / rates[0], BAR, "times")
                beside(process, database, content)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=10_000)
    parser.add_argument("--in-flight", type=int, default=IN_FLIGHT)
    parser.add_argument("--database", help="a PostgreSQL URL; SQLite unless it is given")
    parser.add_argument("--alone", action="store_true", help="without the loops that it is compared with")
    parser.add_argument("--quick", action="store_true", help="a fifth of the requests")
    options = parser.parse_args()
    lines = options.lines // 5 if options.quick else options.lines
    run(lines, options.in_flight, options.database, is_compared=not options.alone)


if __name__ == "__main__":
    main()
