"""A file through a gateway and back: up, settled, down, and what that takes of the gateway."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from benchmarks import _report
from benchmarks._client import Address, download, get_json, post_json, upload
from benchmarks._content import Content
from benchmarks._processes import Server

MEMORY_BAR = 64.0
"""MB over idle"""
MEGABYTE = 1_000_000
POLL_SECONDS = 0.1

T = TypeVar("T")


def measure(name: str, gateway: Server, idle: int, work: Callable[[], T]) -> tuple[T, float]:
    """Do the work, and show what it took of the gateway; its outcome, and seconds. `idle`: bytes at first."""
    gateway.reset_peak()
    began, cpu = time.perf_counter(), gateway.cpu()
    outcome = work()
    took, used = time.perf_counter() - began, gateway.cpu().since(cpu)
    _report.show(f"{name}: seconds, and of CPU", f"{took:.0f}, {used.total:.0f}")
    _report.at_most(f"{name}: memory over idle", (gateway.peak() - idle) / MEGABYTE, MEMORY_BAR, "MB")
    return outcome, took


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
