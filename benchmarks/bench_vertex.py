"""What a file as large as Vertex AI takes costs in memory: up and translated, settled, and down.

Its limit is 1 GB of translated lines. The simulated provider runs beside the gateway. A first batch of few
lines loads google-auth and the prices, once a process; what the gateway holds after it counts as idle.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from benchmarks import _report
from benchmarks._client import Address, download, get_json, post_json, upload
from benchmarks._content import VIRTUAL_MODEL, Content
from benchmarks._gateway import write_models
from benchmarks._processes import Server, running, scratch, step_back

CONTENT = Content(lines=96_000, line_bytes=10_000)
FIRST = Content(lines=10, line_bytes=10_000)
ANSWER_CHARACTERS = 4000
BAR = 64.0
MEGABYTE = 1_000_000
ACCOUNT = "google"
SIMULATE = ("-c", "from litebatch_asgi.cli import main; main()", "simulate", "--port", "0")
POLL_SECONDS = 0.5

T = TypeVar("T")


@contextmanager
def provider(folder: Path) -> Generator[Server]:
    """The simulated Vertex AI, whose answers are long."""
    settings = {
        "answer_characters": ANSWER_CHARACTERS,
        "running_seconds": 0,
        "output_shards": 4,
        "max_file_bytes": 2 * CONTENT.size,
        "max_batch_file_bytes": 2 * CONTENT.size,
    }
    told = [each for name, value in settings.items() for each in ("--set", f"{name}={value}")]
    asked = [*SIMULATE, "--flavour", "vertex", "--directory", str(folder), *told]
    with running(folder, asked) as server:
        yield server


def deployment(server: Server, folder: Path) -> dict[str, Any]:
    """A model on an account of it."""
    credentials = folder / "credentials.json"
    credentials.write_bytes(b"".join(download(server.address, f"/_simulator/credentials?account={ACCOUNT}")))
    return {
        "model_name": VIRTUAL_MODEL,
        "params": {
            "model": "vertex_ai/gemini-2.5-flash",
            "api_base": "http://{}:{}/{}".format(*server.address, ACCOUNT),
            "vertex_project": "my-project",
            "vertex_location": "europe-west4",
            "vertex_credentials": str(credentials),
            "gcs_bucket_name": "my-bucket",
        },
        "model_info": {"id": ACCOUNT},
    }


def measure(name: str, gateway: Server, idle: int, work: Callable[[], T]) -> T:
    """Do the work, and show what it took of the gateway. `idle`: bytes that it held at first."""
    gateway.reset_peak()
    began, cpu = time.perf_counter(), gateway.cpu()
    outcome = work()
    took, used = time.perf_counter() - began, gateway.cpu().since(cpu)
    _report.show(f"{name}: seconds, and of CPU", f"{took:.0f}, {used.total:.0f}")
    _report.at_most(f"{name}: memory over idle", (gateway.peak() - idle) / MEGABYTE, BAR, "MB")
    return outcome


def send(address: Address, content: Content) -> str:
    """Upload a file; its id."""
    file_id: str = upload(address, content.blocks(), content.size)["id"]
    return file_id


def settle(address: Address, file_id: str, lines: int) -> str:
    """Make a batch and wait until it has ended; its output. Raises `RuntimeError` if it is not whole."""
    asked = {"input_file_id": file_id, "endpoint": "/v1/chat/completions", "completion_window": "24h"}
    batch: dict[str, Any] = post_json(address, "/v1/batches", asked)
    while batch["status"] in ("validating", "in_progress", "finalizing"):
        time.sleep(POLL_SECONDS)
        batch = get_json(address, f"/v1/batches/{batch['id']}")
    if batch["status"] != "completed" or batch["request_counts"]["completed"] != lines:
        raise RuntimeError(f"the batch ended otherwise: {batch}")
    output_id: str = batch["output_file_id"]
    return output_id


def receive(address: Address, file_id: str) -> int:
    """Download a file; its bytes."""
    return sum(map(len, download(address, f"/v1/files/{file_id}/content")))


def main() -> None:
    if not Path("/proc/self/clear_refs").exists():
        print("  the peak of a process's memory can be read on Linux only")
        return
    with ExitStack() as stack:
        folder = stack.enter_context(scratch())
        server = stack.enter_context(provider(folder))
        config = write_models(
            folder,
            [deployment(server, folder)],
            min_poll_seconds=POLL_SECONDS,
            max_file_bytes=CONTENT.size,
            max_file_lines=CONTENT.lines,
        )
        gateway = stack.enter_context(running(folder, ["-m", "benchmarks._gateway", "--config", str(config)]))
        step_back()
        address, started = gateway.address, gateway.resident()
        receive(address, settle(address, send(address, FIRST), FIRST.lines))
        idle = gateway.resident()
        _report.show("memory that the first batch loads", f"{(idle - started) / MEGABYTE:.0f} MB")
        _report.show("input", f"{CONTENT.size / MEGABYTE:.0f} MB in {CONTENT.lines:,} lines")
        file_id = measure("upload", gateway, idle, lambda: send(address, CONTENT))
        output_id = measure("batch", gateway, idle, lambda: settle(address, file_id, CONTENT.lines))
        size = measure("results", gateway, idle, lambda: receive(address, output_id))
        _report.show("results", f"{size / MEGABYTE:.0f} MB")
        if measure("input back", gateway, idle, lambda: receive(address, file_id)) != CONTENT.size:
            raise RuntimeError("the file came back changed")


if __name__ == "__main__":
    main()
