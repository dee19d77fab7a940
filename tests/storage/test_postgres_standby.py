"""After a failover: connections that stay at what is a standby now answer reads, and nothing else."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import anyio
import pytest

from litebatch_asgi import Deployment, LiteBatch, Principal
from litebatch_asgi.errors import StorageUnavailable
from litebatch_asgi.models import FileCopy
from litebatch_asgi.testing import a_file
from litebatch_asgi.testing.conformance.base import stored_file
from litebatch_postgres import PostgresStorage
from tests.postgres import database_url, needs_socket, own_server, run_on
from tests.storage.proxies import Proxy, in_front, socket_of

NO_COPIES: tuple[FileCopy, ...] = ()
pytestmark = [needs_socket, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def primary(anyio_backend: str) -> AsyncGenerator[str]:
    async with database_url() as url:
        yield url


@pytest.fixture(scope="module")
async def standby(primary: str) -> AsyncGenerator[str]:
    """A database of the same name at a standby."""
    name = primary.partition("?")[0].rpartition("/")[2]
    with own_server() as server:
        url = server.url(name)
        await run_on(server.url(), f"CREATE DATABASE {name}")
        storage = PostgresStorage(url)
        await storage.open()
        await storage.close()
        server.stop()
        server.as_standby()
        server.start()
        assert await run_on(url, "SELECT pg_is_in_recovery()") == [(True,)]
        yield url


class Line:
    """A line to a database that a failover moves from one server to the other."""

    def __init__(self, primary: str, standby: str) -> None:
        self._sockets = {"primary": socket_of(primary), "standby": socket_of(standby)}
        self.proxy = Proxy(self._sockets["standby"])

    def lead_to(self, role: str) -> None:
        """Where new connections go; those that are there stay."""
        self.proxy.socket = self._sockets[role]


async def test_stale_connections_are_given_up(primary: str, standby: str) -> None:
    """All of the pool, at the first write; the write itself goes through."""
    line = Line(primary, standby)
    async with in_front(line.proxy, primary) as address:
        storage = PostgresStorage(address, max_pool_size=3)
        await storage.open()
        async with anyio.create_task_group() as tasks:
            for _ in range(9):
                tasks.start_soon(storage.get_file, "file-lb")
        for _ in range(2):  # from then on transactions begin in another way
            with pytest.raises(StorageUnavailable, match="read-only"):
                await stored_file(storage)
        async with anyio.create_task_group() as tasks:
            for _ in range(9):
                tasks.start_soon(storage.get_file, "file-lb")
        line.lead_to("primary")
        files = [a_file() for _ in range(4)]
        async with anyio.create_task_group() as tasks:
            for file in files:
                tasks.start_soon(storage.create_file, file, NO_COPIES)
        for file in files:
            assert await storage.get_file(file.id) is not None
        await storage.close()


async def test_nobody_is_ready_who_cannot_write(primary: str, standby: str) -> None:
    """Though everything can be read; readiness comes back by itself."""
    line = Line(primary, standby)
    line.lead_to("primary")
    async with in_front(line.proxy, primary) as address:
        litebatch = LiteBatch(
            deployments=[Deployment(model_name="m", model="openai/x", api_key="none")],
            storage=address,
            authenticator=lambda _: Principal(owner="alice"),
        )
        async with litebatch.lifespan():
            assert await litebatch.ready()
            line.lead_to("standby")
            line.proxy.cut_all()
            assert not await litebatch.ready()
            assert (await litebatch.batches.list(Principal(owner="alice"))).items == []
            line.lead_to("primary")
            assert await litebatch.ready()
