"""Five owners with 1 to 10,000 requests before one inference server: who has few is through first.

The largest batch is sent first and the smallest last, so that each owner comes behind those with more. The
server takes as many at once as its deployment allows, and as long for each.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx2
import leather  # type: ignore[import-untyped]

from benchmarks import _report
from benchmarks._content import UPSTREAM_MODEL, VIRTUAL_MODEL, Content
from benchmarks._gateway import write_models
from benchmarks._processes import running, scratch, step_back

MASTER = "sk-bench-master"
OWNERS = (10_000, 1_000, 100, 10, 1)
"""requests of each, in the order in which they come"""
IN_FLIGHT = 32
LATENCY = {"latency": {"seconds": 0.05}}
LINE_BYTES = 300
LOOK_SECONDS = 0.05
SIMULATE = (
    "-c",
    "from litebatch_asgi.cli import main; main()",
    "simulate",
    *("--flavour", "vllm", "--port", "0"),
)
_OPEN = frozenset({"validating", "in_progress", "finalizing"})


def model(server: str) -> dict[str, Any]:
    """The server as a live deployment."""
    return {
        "model_name": VIRTUAL_MODEL,
        "params": {
            "model": f"hosted_vllm/{UPSTREAM_MODEL}",
            "api_base": f"{server}/v1",
            "max_parallel_requests": IN_FLIGHT,
        },
        "model_info": {"id": "live"},
    }


def _post(client: httpx2.Client, path: str, key: str, **what: Any) -> dict[str, Any]:
    answer = client.post(path, headers={"authorization": f"Bearer {key}"}, **what)
    answer.raise_for_status()
    told: dict[str, Any] = answer.json()
    return told


def begin(client: httpx2.Client, lines: int) -> tuple[str, str]:
    """A batch of an owner of its own; its id and the owner's key."""
    key = str(_post(client, "/key/generate", MASTER, json={"user_id": f"owner-{lines}"})["key"])
    content = b"".join(Content(lines=lines, line_bytes=LINE_BYTES).blocks())
    form: dict[str, Any] = {"data": {"purpose": "batch"}, "files": {"file": ("requests.jsonl", content)}}
    file_id = _post(client, "/v1/files", key, **form)["id"]
    asked = {"input_file_id": file_id, "endpoint": "/v1/chat/completions", "completion_window": "24h"}
    return _post(client, "/v1/batches", key, json=asked)["id"], key


def followed(client: httpx2.Client, batches: Mapping[int, tuple[str, str]]) -> dict[int, float]:
    """When each batch has ended, by its requests, in seconds from now."""
    began, ended = time.perf_counter(), dict[int, float]()
    while len(ended) < len(batches):
        for lines, (batch_id, key) in batches.items():
            if lines in ended:
                continue
            headers = {"authorization": f"Bearer {key}"}
            batch = client.get(f"/v1/batches/{batch_id}", headers=headers).raise_for_status().json()
            if batch["status"] not in _OPEN:
                ended[lines] = time.perf_counter() - began
        time.sleep(LOOK_SECONDS)
    return ended


def draw(ended: Mapping[int, float], path: Path) -> None:
    """A plot of when each owner was through."""
    chart = leather.Chart("Seconds until each owner's batch has ended")
    chart.add_bars([(seconds, f"{lines:,} requests") for lines, seconds in sorted(ended.items())])
    chart.to_svg(str(path), 640, 260)


def run(folder: Path, plot: Path | None) -> None:
    """Let all of them run at once."""
    with running(folder, SIMULATE) as simulator:
        server = "http://{}:{}".format(*simulator.address)
        httpx2.post(f"{server}/_simulator/settings", json=LATENCY).raise_for_status()
        config = write_models(folder, [model(server)], master_key=MASTER, min_poll_seconds=0.2)
        with running(folder, ["-m", "benchmarks._gateway", "--config", str(config)]) as gateway:
            address = "http://{}:{}".format(*gateway.address)
            with httpx2.Client(base_url=address, timeout=120) as client:
                ended = followed(client, {lines: begin(client, lines) for lines in OWNERS})
    whole = max(ended.values())
    for lines, seconds in sorted(ended.items()):
        _report.show(f"{lines:,} requests of one owner", f"{seconds:.1f} s of {whole:.1f}")
    before = sum(min(lines, 1_000) for lines in OWNERS) / sum(OWNERS)
    share = ended[1_000] / whole
    _report.at_most("1,000 beside 10,000: share of the time, beside turns", share / before, 1.5, "times")
    order = sorted(ended, key=lambda lines: ended[lines])
    _report.at_most("owners that someone with more came before", _passed(order), 0, "")
    if plot is not None:
        draw(ended, plot)


def _passed(order: list[int]) -> int:
    """Of the owners in the order in which they were through."""
    return sum(any(more > lines for more in order[:at]) for at, lines in enumerate(order))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plot", type=Path, help="where to write an SVG")
    options = parser.parse_args()
    step_back()
    with scratch() as folder:
        run(folder, options.plot)


if __name__ == "__main__":
    main()
