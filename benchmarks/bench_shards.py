"""A file of ten jobs over one deployment and over four: the time and the memory that it takes.

The simulated provider runs one job of an account at a time, each as long as the others, as a quota of
enqueued tokens makes providers do. It runs in a process of its own, beside the gateway.
"""

from __future__ import annotations

import argparse
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchmarks import _report
from benchmarks._content import VIRTUAL_MODEL, Content
from benchmarks._gateway import write_models
from benchmarks._journey import MEGABYTE, POLL_SECONDS, measure, receive, send, settle
from benchmarks._processes import Server, running, scratch, step_back

WHOLE = Content(lines=500_000, line_bytes=2_147)
QUICK = Content(lines=50_000, line_bytes=2_147)
FIRST = Content(lines=10, line_bytes=1_000)
JOBS = 10
"""that the file is cut into"""
NAMES = ("north", "east", "south", "west")
BAR = 0.35
"""time over four deployments beside that over one"""
SIMULATE = ("-c", "from litebatch_asgi.cli import main; main()", "simulate", "--port", "0")


@contextmanager
def provider(folder: Path, content: Content, running_seconds: float) -> Generator[Server]:
    """Accounts that run one job each at a time."""
    settings = {
        "validating_seconds": 0,
        "running_seconds": running_seconds,
        "finalizing_seconds": 0,
        "max_file_bytes": content.size,
        "max_batch_file_bytes": content.size,
        "max_enqueued_tokens": int(1.5 * _tokens(content)),
        "fail_fast": "true",
    }
    told = [each for name, value in settings.items() for each in ("--set", f"{name}={value}")]
    with running(folder, [*SIMULATE, "--directory", str(folder), *told]) as server:
        yield server


def _tokens(content: Content) -> int:
    """Of one job, about."""
    return content.size // JOBS // 4


def deployment(server: Server, name: str, content: Content) -> dict[str, Any]:
    """A model on one account."""
    return {
        "model_name": VIRTUAL_MODEL,
        "params": {
            "model": "openai/gpt-4o-mini",
            "api_base": "http://{}:{}/{}/v1".format(*server.address, name),
            "api_key": f"sk-{name}",
        },
        "model_info": {
            "id": name,
            "max_job_requests": content.lines // JOBS,
            "max_job_bytes": content.size,
            "enqueued_tokens": int(1.5 * _tokens(content)),
        },
    }


def run(names: tuple[str, ...], content: Content, running_seconds: float) -> float:
    """A batch over these accounts; the seconds from its create to its end."""
    with ExitStack() as stack:
        folder = stack.enter_context(scratch())
        server = stack.enter_context(provider(folder, content, running_seconds))
        config = write_models(
            folder, [deployment(server, name, content) for name in names], min_poll_seconds=POLL_SECONDS
        )
        gateway = stack.enter_context(running(folder, ["-m", "benchmarks._gateway", "--config", str(config)]))
        address = gateway.address
        settle(address, send(address, FIRST), FIRST.lines)
        idle, what = gateway.resident(), f"{len(names)} deployments" if len(names) > 1 else "1 deployment"
        file_id, _ = measure(f"{what}, upload", gateway, idle, lambda: send(address, content))
        output_id, took = measure(
            f"{what}, batch", gateway, idle, lambda: settle(address, file_id, content.lines)
        )
        size, _ = measure(f"{what}, results", gateway, idle, lambda: receive(address, output_id))
        _report.show(f"{what}, results", f"{size / MEGABYTE:.0f} MB")
        return took


def main() -> None:
    parser = argparse.ArgumentParser(description="a file of ten jobs over one deployment and over four")
    parser.add_argument("--quick", action="store_true", help="a tenth of the lines")
    content = QUICK if parser.parse_args().quick else WHOLE
    running_seconds = 3.0 if content is QUICK else 30.0
    if not Path("/proc/self/clear_refs").exists():
        print("  the peak of a process's memory can be read on Linux only")
        return
    step_back()
    _report.show("input", f"{content.size / MEGABYTE:.0f} MB in {content.lines:,} lines, {JOBS} jobs")
    alone = run(NAMES[:1], content, running_seconds)
    together = run(NAMES, content, running_seconds)
    _report.at_most("time over four deployments beside that over one", together / alone, BAR, "times")


if __name__ == "__main__":
    main()
