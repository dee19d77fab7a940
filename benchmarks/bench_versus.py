"""Reads, lists, uploads and creates beside any other gateway with the same API, in alternating rounds.

Ours is started for it, before a simulated provider or before `--provider`. The other one really runs the
batches, of one line each: before a provider that charges, that costs. They are cancelled in the end and the
files deleted, as far as it lets us.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from statistics import median
from typing import NamedTuple

from benchmarks import _report
from benchmarks._content import UPSTREAM_MODEL, Content
from benchmarks._gateway import SERVE, write_models
from benchmarks._processes import running, scratch
from benchmarks._remote import Remote

SIMULATE = ("-c", "from litebatch_asgi.cli import main; main()", "simulate", "--port", "0")
LINE_BYTES = 4000
MEGABYTE = 1_000_000


class Operation(NamedTuple):
    """What a client does, so often in a round."""

    what: str
    times: int
    run: Callable[[Remote, int], float]
    """with the number of the call; milliseconds"""


def operations(model: str, lines: int) -> list[Operation]:
    """All of them; uploads are of so many lines."""
    large = Content(lines=lines, line_bytes=LINE_BYTES, model=model)
    size = f"{large.size / MEGABYTE:.1f} MB"

    def create(gateway: Remote, _: int) -> float:
        return gateway.create(gateway.files[0])

    def get(gateway: Remote, number: int) -> float:
        return gateway.get(_turn(gateway.batches, number))

    def list_batches(gateway: Remote, _: int) -> float:
        return gateway.list()

    def upload(gateway: Remote, _: int) -> float:
        return gateway.upload(large)

    return [
        Operation("create of a batch", 3, create),
        Operation("GET of a batch", 20, get),
        Operation("list of batches", 10, list_batches),
        Operation(f"upload of {size}", 1, upload),
    ]


def _turn(ids: Sequence[str], number: int) -> str:
    return ids[number % len(ids)]


def measure(gateway: Remote, operation: Operation) -> list[float]:
    """Milliseconds of each call, one after the other over one connection."""
    with gateway.connected():
        return [operation.run(gateway, number) for number in range(operation.times)]


def compare(ours: Remote, other: Remote, model: str, rounds: int, lines: int) -> None:
    """Measure both, the first one of a round being the second of the next, and show it."""
    small = Content(lines=1, line_bytes=LINE_BYTES, model=model)
    for gateway in (ours, other):
        with gateway.connected():
            gateway.upload(small)
            gateway.create(gateway.files[0])
    all_of_them = operations(model, lines)
    taken: dict[Remote, dict[str, list[list[float]]]] = {
        gateway: {operation.what: [] for operation in all_of_them} for gateway in (ours, other)
    }
    for number in range(rounds):
        for gateway in (ours, other) if number % 2 == 0 else (other, ours):
            for operation in all_of_them:
                taken[gateway][operation.what].append(measure(gateway, operation))
    for operation in all_of_them:
        mine, theirs = taken[ours][operation.what], taken[other][operation.what]
        for name, found in (("ours", mine), ("the other", theirs)):
            told = _report.spread([each for one in found for each in one])
            _report.show(f"{operation.what}, {name}", f"{told} ms")
        ratios = [median(its) / median(own) for own, its in zip(mine, theirs, strict=True)]
        _report.beside(f"{operation.what}: how many times as fast", ratios)


@contextmanager
def ours_before(provider: str | None, model: str) -> Generator[Remote]:
    """A gateway of ours with this model, before a provider: None: a simulated one."""
    with ExitStack() as stack:
        folder = stack.enter_context(scratch())
        if provider is None:
            simulator = stack.enter_context(running(folder, [*SIMULATE, "--directory", str(folder)]))
            provider = "http://{}:{}/v1".format(*simulator.address)
        params = {"model": f"hosted_vllm/{UPSTREAM_MODEL}", "api_base": provider, "api_key": "any"}
        deployment = {"model_name": model, "params": params, "model_info": {"lane": "native"}}
        config = write_models(folder, [deployment])
        server = stack.enter_context(running(folder, [*SERVE, str(config)]))
        yield Remote("http://{}:{}".format(*server.address), "any", model)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vs", metavar="URL", required=True, help="of the other gateway")
    parser.add_argument("--key", default="any", help="for the other gateway")
    parser.add_argument("--model", required=True, help="whose batches it takes")
    parser.add_argument("--provider", metavar="URL", help="what is behind the other one, to be behind ours")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--lines", type=int, default=2000, help=f"of {LINE_BYTES} bytes, of an upload")
    parser.add_argument("--quick", action="store_true", help="two rounds with 250 lines")
    options = parser.parse_args()
    rounds, lines = (2, 250) if options.quick else (options.rounds, options.lines)
    other = Remote(options.vs, options.key, options.model)
    with ours_before(options.provider, options.model) as ours:
        try:
            compare(ours, other, options.model, rounds, lines)
        finally:
            _report.show("files and batches left at the other", str(other.clean_up()))


if __name__ == "__main__":
    main()
