"""Three processes before an inference server: its rate limit is kept by all together, and used.

They share a PostgreSQL and the requests of one batch. The server's journal tells when each request came: what
counts is the minute with the most of them, and the rate over all of the time. Then the server answers 429 to
everything for a while, and it is measured how soon the rate is back.
"""

from __future__ import annotations

import argparse
import time
from bisect import bisect_left
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks import _report
from benchmarks._client import Address, get_json, post_json
from benchmarks._content import UPSTREAM_MODEL, VIRTUAL_MODEL, Content
from benchmarks._gateway import write_models
from benchmarks._journey import send
from benchmarks._processes import running, scratch, step_back
from tests.postgres import own_server

PROCESSES = 3
RPM = 1_800
"""requests a minute, of all processes together"""
MINUTE = 60.0
SETTLED_SECONDS = 15.0
"""until all processes hold requests and know of each other"""
STORM_SECONDS = 10.0
LINE_BYTES = 300
SIMULATE = (
    "-c",
    "from litebatch_asgi.cli import main; main()",
    "simulate",
    *("--flavour", "vllm", "--port", "0"),
)


def came(address: Address) -> list[float]:
    """When each request came to the server that was not refused for its load, in Unix seconds."""
    entries = get_json(address, "/_simulator/requests?limit=1000000")["entries"]
    return sorted(each["received"] for each in entries if each["status"] != 429)


def most_in_a_minute(times: Sequence[float]) -> int:
    """Requests in the minute that has the most of them."""
    return max(bisect_left(times, start + MINUTE) - number for number, start in enumerate(times))


def model(server: Address) -> dict[str, object]:
    """The server as a live deployment with a rate limit."""
    return {
        "model_name": VIRTUAL_MODEL,
        "params": {
            "model": f"hosted_vllm/{UPSTREAM_MODEL}",
            "api_base": "http://{}:{}/v1".format(*server),
            "max_parallel_requests": 64,
            "rpm": RPM,
        },
        "model_info": {"id": "live"},
    }


def begin(gateway: Address, lines: int) -> None:
    """Send a batch of so many requests."""
    file_id = send(gateway, Content(lines=lines, line_bytes=LINE_BYTES))
    asked = {"input_file_id": file_id, "endpoint": "/v1/chat/completions", "completion_window": "24h"}
    post_json(gateway, "/v1/batches", asked)


def recovery(server: Address) -> float:
    """Let the server refuse everything for a while; seconds from then until the rate is nine tenths again."""
    fault = {"call": "run_request", "status": 429, "times": None, "seconds": STORM_SECONDS}
    post_json(server, "/_simulator/faults", fault)
    time.sleep(STORM_SECONDS)
    ended, window = time.time(), 5.0
    while (since := time.time() - ended) < 2 * MINUTE:
        times = came(server)
        lately = len(times) - bisect_left(times, time.time() - window)
        if since >= window and lately >= 0.9 * RPM * window / MINUTE:
            return since
        time.sleep(0.5)
    return 2 * MINUTE


def run(folder: Path, seconds: float, *, has_storm: bool) -> None:
    """Measure for so many seconds."""
    with ExitStack() as stack:
        database = stack.enter_context(own_server()).url()
        server = stack.enter_context(running(folder, SIMULATE)).address
        config = write_models(folder, [model(server)], database=database, min_poll_seconds=0.2)
        serve = ["-m", "benchmarks._gateway", "--config", str(config)]
        gateways = [stack.enter_context(running(folder, serve)).address for _ in range(PROCESSES)]
        begin(gateways[0], int(RPM * (seconds + 4 * MINUTE) / MINUTE))
        time.sleep(SETTLED_SECONDS + seconds)
        times = came(server)
        settled = [each for each in times if each >= times[0] + SETTLED_SECONDS]
        rate = len(settled) / (settled[-1] - settled[0])
        _report.at_most(
            "most requests in a minute, beside the limit", most_in_a_minute(times) / RPM, 1.02, "times"
        )
        _report.at_least("requests a second, beside the limit", rate * MINUTE / RPM, 0.95, "times")
        if has_storm:
            _report.at_most("after refusals, until the rate is back", recovery(server), MINUTE, "s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2 * MINUTE)
    parser.add_argument("--quick", action="store_true", help="a minute, and no refusals")
    options = parser.parse_args()
    step_back()
    with scratch() as folder:
        run(folder, MINUTE if options.quick else options.seconds, has_storm=not options.quick)


if __name__ == "__main__":
    main()
