"""Without a master key: only requests that name this machine itself are answered.

A page in a browser can have its own name lead to 127.0.0.1 and then ask whatever it likes.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.access.standalone import Standalone, standalone
from tests.database import SQLiteDatabase
from tests.http.sockets import Answer, raw_client

LOOPBACK = [
    "localhost",
    "LOCALHOST:4000",
    "localhost.",
    "127.0.0.1",
    "127.0.0.1:4000",
    "127.8.8.8:1",
    "[::1]",
    "[::1]:4000",
]
OTHERS = [
    "evil.example",
    "evil.example:4000",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "10.0.0.1",
    "0.0.0.0",
    "[::]",
    "[::1",
    "::1",
    "user@localhost",
    "localhost:port",
    "",
    None,
]
PATHS = ["/v1/models", "/models", "/v1/files", "/key/list", "/health/readiness", "/openapi.json", "/nowhere"]


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def open_gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Standalone]:
    """A standalone gateway without a master key."""
    folder = tmp_path_factory.mktemp("open")
    async with standalone(folder, SQLiteDatabase(folder), master_key=None) as gateway:
        yield gateway


async def asked(gateway: Standalone, path: str, *hosts: str | None) -> Answer:
    names = "".join(f"Host: {host}\r\n" for host in hosts if host is not None)
    async with raw_client(gateway.address) as client:
        await client.send(f"GET {path} HTTP/1.1\r\n{names}Authorization: Bearer x\r\n\r\n".encode())
        return await client.answer()


@pytest.mark.parametrize("host", LOOPBACK)
async def test_names_of_this_machine_are_answered(open_gateway: Standalone, host: str) -> None:
    for path in ("/v1/models", "/v1/files", "/health/readiness", "/openapi.json"):
        assert (await asked(open_gateway, path, host)).status == 200


@pytest.mark.parametrize("host", OTHERS)
async def test_other_names_are_refused(open_gateway: Standalone, host: str | None) -> None:
    for path in PATHS:
        answer = await asked(open_gateway, path, host)
        assert answer.status == 403, (path, answer.body)
        error = answer.json()["error"]
        assert (error["code"], error["type"]) == ("host_not_allowed", "permission_error")
        assert "general_settings.master_key" in error["message"]
        assert f"'{host or ''}'" in error["message"]
        assert answer.headers["x-request-id"]


async def test_of_several_names_each_counts(open_gateway: Standalone) -> None:
    for hosts in (("localhost", "evil.example"), ("evil.example", "localhost")):
        assert (await asked(open_gateway, "/v1/models", *hosts)).status in (400, 403)


async def test_what_is_refused_is_logged(open_gateway: Standalone) -> None:
    open_gateway.logged.clear()
    await asked(open_gateway, "/v1/models", "evil.example")
    await open_gateway.eventually(lambda: _is_logged(open_gateway))
    assert [line["status"] for line in open_gateway.logged] == [403]


async def _is_logged(gateway: Standalone) -> bool:
    return bool(gateway.logged)


async def test_with_a_master_key_any_name_is_answered(tmp_path: Path) -> None:
    async with standalone(tmp_path, SQLiteDatabase(tmp_path), master_key="x") as gateway:
        assert (await asked(gateway, "/v1/models", "gateway.example")).status == 200
