"""A gateway over providers of every language at once, all simulated."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from litebatch_asgi.models import Deployment, Settings
from litebatch_asgi.simulator import Simulator
from tests.database import Database
from tests.faults.stage import gateway_on
from tests.harness import ENDPOINT, MODEL, QUICK, SWIFT, InProcess

for _each in ("google.auth.transport.requests", "google.oauth2.service_account"):
    import_module(_each)  # on a busy machine that alone takes longer than a call may

OPENAI, AZURE, GROQ = "openai", "azure", "groq"
VERTEX, ANTHROPIC, MISTRAL = "vertex", "anthropic", "mistral"
TRANSLATED = (VERTEX, ANTHROPIC)
EVERYWHERE = (OPENAI, AZURE, GROQ, MISTRAL, *TRANSLATED)
UPSTREAM = {
    OPENAI: "gpt-4o-mini",
    AZURE: "eu-general",
    GROQ: "llama-3.3-70b-versatile",
    MISTRAL: "mistral-small-latest",
    VERTEX: "gemini-2.5-flash",
    ANTHROPIC: "claude-sonnet-4-5",
}
PATHS = {OPENAI: "/v1", AZURE: "/openai/v1", GROQ: "/openai/v1", MISTRAL: "/v1", ANTHROPIC: ""}
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
        """One of them; each is named after its provider."""
        base = f"{self.address}/{name}"
        shared: dict[str, Any] = {"model_name": MODEL, "id": name}
        if name == VERTEX:
            return Deployment(
                **shared,
                model=f"vertex_ai/{upstream[name]}",
                api_base=base,
                vertex_project="my-project",
                vertex_location="europe-west4",
                vertex_credentials=self._google,
                gcs_bucket_name="my-bucket",
            )
        return Deployment(
            **shared,
            model=f"{name}/{upstream[name]}",
            api_base=base + PATHS[name],
            api_key="sk-ant-secret" if name == ANTHROPIC else f"sk-{name}-secret",
            exclusive=exclusive and name == ANTHROPIC,
        )

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
    for name in EVERYWHERE:
        simulator.account(name).configure(flavour=name)
    async with simulator.running() as address:
        google = json.dumps(await simulator.service_account(address, VERTEX))
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
