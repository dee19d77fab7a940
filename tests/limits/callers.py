"""Callers with limits."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import Receive, Scope, Send

from litebatch_asgi import Batch, File, Limits, Principal
from litebatch_asgi.routes.endpoint import CALLER
from tests.harness import InProcess, lines
from tests.http.sockets import served


def caller(*every: Limits, scope: str = "team:search", **most: Any) -> Principal:
    """Somebody with these limits, or with those of one scope."""
    limits = every or (Limits(scope=scope, **most),)
    return Principal(owner="alice", key_id="key-alice", limits=limits)


@asynccontextmanager
async def address_for(gateway: InProcess, principal: Principal) -> AsyncGenerator[str]:
    """Where requests are this principal's."""
    app = Starlette(routes=[Mount("/v1", gateway.litebatch.app)])

    async def known(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, CALLER: principal}, receive, send)

    async with served(known) as address:
        yield address


@asynccontextmanager
async def http_for(gateway: InProcess, principal: Principal) -> AsyncGenerator[httpx2.AsyncClient]:
    """An HTTP client of this principal."""
    async with (
        address_for(gateway, principal) as address,
        httpx2.AsyncClient(base_url=f"{address}/v1", timeout=30, verify=False) as http,
    ):
        yield http


async def upload(gateway: InProcess, principal: Principal, content: bytes | None = None) -> File:
    """Upload a batch input of three requests, or of what is given."""
    return await gateway.litebatch.files.create(
        principal, lines() if content is None else content, filename="in.jsonl", purpose="batch"
    )


async def create(gateway: InProcess, principal: Principal, file: File, **options: Any) -> Batch:
    """Create a batch."""
    return await gateway.litebatch.batches.create(
        principal,
        input_file_id=file.id,
        endpoint="/v1/chat/completions",
        completion_window="24h",
        **options,
    )


async def reserved(gateway: InProcess) -> list[tuple[Any, ...]]:
    """What is reserved, by scope."""
    rows = await gateway.database.rows(
        "SELECT scope, count(*), sum(requests), sum(tokens) FROM reservations GROUP BY scope ORDER BY scope"
    )
    return [tuple(map(str, row)) for row in rows]
