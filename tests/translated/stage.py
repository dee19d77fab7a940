"""A gateway over providers of every language at once, all simulated."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from litebatch_asgi.models import Deployment, Settings
from litebatch_asgi.simulator import Simulator
from tests.database import Database
from tests.faults.stage import gateway_on
from tests.harness import ENDPOINT, MODEL, QUICK, SWIFT, InProcess
from tests.translated.deployed import EVERYWHERE, UPSTREAM, deployment_of, flavoured, google_credentials

ODD_IDS = (
    *('"plain"', '"000000"', '"12345678901234567890"', '"1e5"', '"null"', '"true"', '" "', '"r1"', '"r2_0a"'),
    *(r'"\"quoted\" \\ \/ and \u00e9\ud83d\ude00"', '"é😀\u2028"', f'"{"x" * 500}"', r'"\b\f\n\r\t\u0000"'),
)
"""custom ids as they are spelled in lines"""


class Stage:
    """Simulated accounts of them all, which go on when gateways come and go."""

    def __init__(self, simulator: Simulator, address: str, start: partial[Any], google: str) -> None:
        self.simulator = simulator
        self.address = address
        self._start = start
        self._google = google

    def deployment(
        self, name: str, *, exclusive: bool = False, upstream: Mapping[str, str] = UPSTREAM
    ) -> Deployment:
        """One of them."""
        return deployment_of(name, self.address, self._google, exclusive=exclusive, upstream=upstream)

    @asynccontextmanager
    async def gateway(
        self,
        *names: str,
        settings: Settings = QUICK,
        exclusive: bool = False,
        upstream: Mapping[str, str] = UPSTREAM,
        **options: Any,
    ) -> AsyncGenerator[InProcess]:
        """A gateway over some of them."""
        served = [self.deployment(name, exclusive=exclusive, upstream=upstream) for name in names]
        async with self._start(settings=settings, served=served, **options) as gateway:
            yield gateway

    def jobs(self, name: str) -> list[Any]:
        """The batches that an account has."""
        return list(self.simulator.account(name).batches.values())


@asynccontextmanager
async def staged(folder: Path, database: Database) -> AsyncGenerator[Stage]:
    """The accounts, until the block ends."""
    simulator = Simulator(settings=SWIFT)
    flavoured(simulator, EVERYWHERE)
    async with simulator.running() as address:
        google = await google_credentials(simulator, address)
        start = partial(gateway_on, simulator, address, folder, database=database)
        yield Stage(simulator, address, start, google)


def request(custom_id: str, text: str = "Hello", **body: Any) -> str:
    """A line; its custom_id is given as JSON."""
    told = {"model": MODEL, "messages": [{"role": "user", "content": text}], "max_tokens": 50, **body}
    return f'{{"custom_id": {custom_id}, "method": "POST", "url": "{ENDPOINT}", "body": {json.dumps(told)}}}'


def file_of(custom_ids: Sequence[str], **body: Any) -> bytes:
    """An input, with a blank line in it and without a newline at its end."""
    lines = [request(custom_id, f"Say {number}.", **body) for number, custom_id in enumerate(custom_ids)]
    return "\n".join([*lines[:1], "  ", *lines[1:]]).encode()


def spelled(rows: bytes) -> list[str]:
    """The custom ids of a result file as they are spelled there, sorted."""
    found: list[str] = []
    for row in rows.splitlines():
        rest = row.decode().split('"custom_id":', 1)[1]
        _, end = json.JSONDecoder().raw_decode(rest)
        found.append(rest[:end])
    return sorted(found)


def simulate(what: object) -> str:
    """A text that makes the simulated Vertex AI and Anthropic do this to its request."""
    return f"simulate {json.dumps(what) if isinstance(what, dict) else what}"


def swiftly(**changes: Any) -> Settings:
    """Settings of quick gateways."""
    return replace(QUICK, **changes)
