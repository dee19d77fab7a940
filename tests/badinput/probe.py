"""Sending a gateway what it must refuse, and seeing that nothing comes of it."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
from msgspec.structs import replace

from litebatch_asgi.app import LiteBatch, open_storage
from litebatch_asgi.models import Deployment, Settings
from litebatch_asgi.server.gateway import build_gateway
from litebatch_asgi.server.listen import address_of, listen, serving
from litebatch_asgi.simulator import Simulator, SimulatorSettings
from tests.database import Database
from tests.harness import ENDPOINT, MODEL, PATIENCE_SECONDS, QUICK, InProcess, by_key, deployments, lines
from tests.http.forms import CONTENT_TYPE, field, file, form
from tests.http.open_files import open_in
from tests.http.sockets import Answer, RawClient, head, raw_client

OTHER = "text-embedding-batch"
"""a second virtual model"""
CALLER = "mallory"
LIMITS = replace(QUICK, max_file_bytes=2_000_000, max_line_bytes=500_000, max_file_lines=150)
PURPOSE = field("purpose", "batch")
GOOD = lines(1)
FORM = {"purpose": "batch"}
WORK = frozenset({"upload_file", "delete_file", "create_batch"})
"""what only good requests make providers do"""
TABLES = ("files", "file_copies", "file_parts", "batches", "jobs", "events", "idempotency", "reservations")
ERROR_KEYS = {"message", "type", "param", "code"}


class Probe:
    """A running gateway, and what has been done to it."""

    def __init__(self, gateway: InProcess, spool: Path, others: httpx2.AsyncClient) -> None:
        self.gateway = gateway
        self._spool = spool
        self._others = others

    async def ask(self, *pieces: bytes) -> Answer:
        """The answer to a request, sent piece by piece on a connection of its own."""
        async with self.connection() as client:
            await client.send(*pieces)
            return await client.answer()

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[RawClient]:
        """A connection of its own, on which nobody waits for ever."""
        with anyio.fail_after(PATIENCE_SECONDS):
            async with raw_client(self.gateway.address) as client:
                yield client

    async def upload(self, content: bytes, *parts: bytes, key: str = CALLER) -> Answer:
        """The answer to the upload of a batch input."""
        body = form(PURPOSE, *parts, file(content))
        return await self.ask(upload_head(len(body), key), body)

    async def refuses(self, *pieces: bytes, status: int = 400) -> dict[str, Any]:
        """The error that is the answer to a request; it has changed nothing, and others are served."""
        async with self.unharmed():
            answer = await self.ask(*pieces)
        return error_of(answer, status)

    async def refuses_upload(
        self, body: bytes, *, status: int = 400, key: str = CALLER, content_type: str = CONTENT_TYPE
    ) -> dict[str, Any]:
        """The same, for the body of an upload."""
        async with self.unharmed(uploads=True):
            answer = await self.ask(upload_head(len(body), key, content_type), body)
        return error_of(answer, status)

    async def refuses_content(
        self, content: bytes, *parts: bytes, status: int = 400, key: str = CALLER
    ) -> dict[str, Any]:
        """The same, for the content of a batch input."""
        return await self.refuses_upload(form(PURPOSE, *parts, file(content)), status=status, key=key)

    async def accepts(self, body: bytes, *, content_type: str = CONTENT_TYPE) -> dict[str, Any]:
        """The file that came of an upload."""
        answer = await self.ask(upload_head(len(body), CALLER, content_type), body)
        assert answer.status == 200, answer.body
        made: dict[str, Any] = answer.json()
        return made

    @asynccontextmanager
    async def unharmed(self, *, uploads: bool = False) -> AsyncGenerator[None]:
        """Check that the block leaves no row, no spool and no work at a provider.

        And that others are still served, with an upload if it is about `uploads`.
        """
        journal = self.gateway.simulator.journal
        rows, calls = await self._rows(), len(journal)
        yield
        assert await self._rows() == rows
        assert not WORK.intersection(entry.call for entry in journal[calls:])
        await self.gateway.eventually(self._nothing_spooled)
        if uploads:
            answer = await self._others.post("/files", files={"file": ("in.jsonl", GOOD)}, data=FORM)
        else:
            answer = await self._others.get("/files", params={"limit": 1})
        assert answer.status_code == 200, answer.text

    async def _rows(self) -> list[tuple[str, int]]:
        counts = (f"SELECT '{table}', count(*) FROM {table}" for table in TABLES)
        return await self.gateway.database.rows(" UNION ALL ".join(counts))

    async def _nothing_spooled(self) -> bool:
        return not open_in(self._spool)


def error_of(answer: Answer, status: int) -> dict[str, Any]:
    """The error that an answer tells, in the shape that every error has."""
    assert answer.status == status, answer.body
    assert answer.headers["x-request-id"]
    assert answer.headers["content-type"] == "application/json"
    error: dict[str, Any] = answer.json()["error"]
    assert set(error) >= ERROR_KEYS
    assert error["message"]
    assert len(error["message"]) < 2000
    return error


def upload_head(length: int | None, key: str = CALLER, content_type: str = CONTENT_TYPE) -> bytes:
    """The head of an upload; without a length its body comes in chunks."""
    how: dict[str, str | int] = (
        {"transfer_encoding": "chunked"} if length is None else {"content_length": length}
    )
    return head("POST", "/v1/files", authorization=f"Bearer {key}", content_type=content_type, **how)


def create_batch(body: bytes, key: str = CALLER) -> bytes:
    """The request that makes a batch."""
    return (
        head(
            "POST",
            "/v1/batches",
            authorization=f"Bearer {key}",
            content_type="application/json",
            content_length=len(body),
        )
        + body
    )


def a_line(custom_id: str = "a", *, without: str | None = None, **changes: Any) -> bytes:
    """A line of a batch input that is right but for the changes."""
    line: dict[str, Any] = {
        "custom_id": custom_id,
        "method": "POST",
        "url": ENDPOINT,
        "body": {"model": MODEL, "messages": [{"role": "user", "content": "Hello."}]},
    }
    return json.dumps({key: value for key, value in (line | changes).items() if key != without}).encode()


@asynccontextmanager
async def probing(folder: Path, database: Database, settings: Settings = LIMITS) -> AsyncGenerator[Probe]:
    """A standalone gateway with two virtual models, over simulated deployments."""
    simulator = Simulator(settings=SimulatorSettings())
    spool = folder / "spool"
    spool.mkdir()
    async with simulator.running() as provider:
        storage = open_storage(database.url)
        litebatch = LiteBatch(
            deployments=[*deployments(provider), other_deployment(provider)],
            storage=storage,
            authenticator=by_key,
            settings=replace(settings, spool_dir=str(spool)),
        )
        listener = listen("127.0.0.1", 0)
        gateway = InProcess(litebatch, storage, database, simulator, address_of(listener))
        app = build_gateway(litebatch)
        async with (
            litebatch.lifespan(),
            serving(app, listener),
            aclosing(gateway),
            gateway.http("alice") as others,
        ):
            yield Probe(gateway, spool, others)


def other_deployment(provider: str) -> Deployment:
    """A deployment of the second virtual model."""
    return Deployment(
        model_name=OTHER,
        model="openai/text-embedding-3-small",
        api_base=f"{provider}/north/v1",
        api_key="sk-north-secret",
        id="north",
    )
