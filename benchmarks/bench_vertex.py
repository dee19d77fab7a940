"""What a file as large as Vertex AI takes costs in memory: up and translated, settled, and down.

Its limit is 1 GB of translated lines. The simulated provider runs beside the gateway. A first batch of few
lines loads google-auth and the prices, once a process; what the gateway holds after it counts as idle.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchmarks import _report
from benchmarks._client import download
from benchmarks._content import VIRTUAL_MODEL, Content
from benchmarks._gateway import write_models
from benchmarks._journey import MEGABYTE, POLL_SECONDS, measure, receive, send, settle
from benchmarks._processes import Server, running, scratch, step_back

CONTENT = Content(lines=96_000, line_bytes=10_000)
FIRST = Content(lines=10, line_bytes=10_000)
ANSWER_CHARACTERS = 4000
ACCOUNT = "google"
SIMULATE = ("-c", "from litebatch_asgi.cli import main; main()", "simulate", "--port", "0")


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
        file_id, _ = measure("upload", gateway, idle, lambda: send(address, CONTENT))
        output_id, _ = measure("batch", gateway, idle, lambda: settle(address, file_id, CONTENT.lines))
        size, _ = measure("results", gateway, idle, lambda: receive(address, output_id))
        _report.show("results", f"{size / MEGABYTE:.0f} MB")
        back, _ = measure("input back", gateway, idle, lambda: receive(address, file_id))
        if back != CONTENT.size:
            raise RuntimeError("the file came back changed")


if __name__ == "__main__":
    main()
