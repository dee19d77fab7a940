"""`POST /v1/batches` over sockets, beside a bare Starlette route that does the same without looking twice.

Both commit the same rows before and after they have asked the same simulated provider. The bare route writes
to a database of its own.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks._client import post_json, upload
from benchmarks._content import Content
from benchmarks._gateway import SERVE, write_config
from benchmarks._processes import Server, running, scratch
from benchmarks.bench_get import Figures, measure, report
from benchmarks.bench_versus import SIMULATE
from tests.postgres import own_server, run_on, with_database

BAR = 1 / 3
LATER = 3600.0
"""seconds until a batch is looked at: nothing else is to be done meanwhile"""
_CONTENT = Content(lines=3, line_bytes=4000)
_HOLD = ("--set", 'hold=["validating"]')
_PATH = "/v1/batches"


class Prepared(NamedTuple):
    """A gateway's database with a file and a batch of it, which runs."""

    url: str
    """of the database"""
    config: Path
    """the gateway's configuration"""
    asked: dict[str, str]
    """of a create"""
    batch_id: str


@contextmanager
def databases(kind: str, folder: Path) -> Generator[tuple[str, str]]:
    """Two empty ones: URLs."""
    if kind == "sqlite":
        yield f"sqlite:///{folder}/ours.db", f"sqlite:///{folder}/bare.db"
        return
    with own_server(folder) as server:
        asyncio.run(run_on(server.url(), "CREATE DATABASE ours", "CREATE DATABASE bare"))
        yield with_database(server.url(), "ours"), with_database(server.url(), "bare")


def prepare(folder: Path, deployment: Server, url: str) -> Prepared:
    """Have a gateway make a file and a batch in an empty database."""
    folder.mkdir()
    config = write_config(folder, [deployment], database=url, min_poll_seconds=LATER, max_poll_seconds=LATER)
    with running(folder, [*SERVE, str(config)]) as gateway:
        file = upload(gateway.address, _CONTENT.blocks(), _CONTENT.size)
        asked = {"input_file_id": file["id"], "endpoint": "/v1/chat/completions", "completion_window": "24h"}
        batch = post_json(gateway.address, _PATH, asked)
    return Prepared(url, config, asked, batch["id"])


def compare(kind: str, rounds: int, seconds: float) -> None:
    """Measure both servers, by turns."""
    with (
        scratch() as folder,
        databases(kind, folder) as urls,
        running(folder, [*SIMULATE, *_HOLD, "--directory", str(folder)]) as deployment,
    ):
        ours, its = (prepare(folder / str(n), deployment, url) for n, url in enumerate(urls))
        database = its.url.removeprefix("sqlite:///")
        creates = (its.batch_id, "http://{}:{}/v1".format(*deployment.address))
        with (
            running(folder, [*SERVE, str(ours.config)]) as gateway,
            running(
                folder, ["-m", "benchmarks._bare", "--database", database, "--creates", *creates]
            ) as bare,
        ):
            turns = ((gateway, ours.asked), (bare, its.asked))
            for server, asked in turns:
                measure(server, [_PATH], 0.5, body=asked)
            measured: dict[Server, list[Figures]] = {gateway: [], bare: []}
            for _ in range(rounds):
                for server, asked in turns:
                    measured[server].append(measure(server, [_PATH], seconds, body=asked))
    report(f"{kind}: create of a batch", measured[gateway], measured[bare], BAR)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each measurement")
    parser.add_argument("--database", choices=["sqlite", "postgresql"], help="only this one")
    parser.add_argument("--quick", action="store_true", help="three rounds")
    options = parser.parse_args()
    for kind in (options.database,) if options.database else ("sqlite", "postgresql"):
        compare(kind, 3 if options.quick else options.rounds, options.seconds)


if __name__ == "__main__":
    main()
