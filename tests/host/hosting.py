"""A host process to look at: LiteBatch in this event loop, its provider in another thread's."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Awaitable, Callable, Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import anyio
import msgspec
import psutil
from anyio.from_thread import BlockingPortal, start_blocking_portal
from msgspec.structs import replace

from litebatch_asgi import Batch, File, LiteBatch, Principal
from litebatch_asgi.simulator import Simulator, SimulatorSettings
from litebatch_asgi.simulator.faults import ArmedFault, Fault
from tests.harness import ENDPOINT, QUICK, SWIFT, by_key, deployments, lines

ALICE = Principal(owner="alice", key_id="key-alice")
PATIENCE_SECONDS = 20.0
T = TypeVar("T")


class Provider:
    """A simulator that runs elsewhere."""

    def __init__(self, simulator: Simulator, address: str, portal: BlockingPortal) -> None:
        self.simulator = simulator
        self.address = address
        self._portal = portal

    def add_fault(self, **fault: Any) -> ArmedFault:
        return self._portal.call(self.simulator.add_fault, Fault(**fault))

    def remove_fault(self, armed: ArmedFault) -> None:
        self._portal.call(self.simulator.remove_fault, armed)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Return as soon as `holds()` is true, which is looked at where the provider runs."""
        with anyio.fail_after(PATIENCE_SECONDS):
            await asyncio.wrap_future(self._portal.start_task_soon(self.simulator.until, holds))


@contextmanager
def provider(settings: SimulatorSettings = SWIFT) -> Generator[Provider]:
    """A simulator in an event loop of its own, so that nothing of it is seen in the host's."""
    simulator = Simulator(settings=settings)
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(simulator.running()) as address,
    ):
        yield Provider(simulator, address, portal)


def litebatch_in(folder: Path, address: str, **settings: Any) -> LiteBatch:
    """A LiteBatch with its files in `folder`."""
    (folder / "spool").mkdir(parents=True, exist_ok=True)
    return LiteBatch(
        deployments=deployments(address),
        storage=f"sqlite:///{folder}/litebatch.db",
        authenticator=by_key,
        settings=replace(QUICK, spool_dir=str(folder / "spool"), **settings),
    )


async def upload(litebatch: LiteBatch, content: Any = None) -> File:
    given = lines() if content is None else content
    return await litebatch.files.create(ALICE, given, filename="in.jsonl", purpose="batch")


async def create(litebatch: LiteBatch, file: File) -> Batch:
    return await litebatch.batches.create(
        ALICE, input_file_id=file.id, endpoint=ENDPOINT, completion_window="24h"
    )


async def ended(litebatch: LiteBatch, batch: Batch) -> Batch:
    """The batch, once it is over."""
    with anyio.fail_after(PATIENCE_SECONDS):
        while not batch.status.is_final:
            await anyio.sleep(0.02)
            batch = await litebatch.batches.retrieve(ALICE, batch.id)
    return batch


async def eventually(holds: Callable[[], Awaitable[bool]]) -> None:
    with anyio.fail_after(PATIENCE_SECONDS):
        while not await holds():  # noqa: ASYNC110 - what is waited for is told by the API alone
            await anyio.sleep(0.01)


class Traces(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody may leave behind in a process."""

    threads: frozenset[threading.Thread]
    tasks: frozenset[asyncio.Task[Any]]
    sockets: frozenset[object]
    files: frozenset[str]


def traces() -> Traces:
    """All that this process, and this event loop, has open now; the simulator's threads aside."""
    process = psutil.Process()
    return Traces(
        threads=frozenset(each for each in threading.enumerate() if not each.name.startswith("simulator")),
        tasks=frozenset(asyncio.all_tasks()),
        sockets=frozenset(each.fd for each in process.net_connections("tcp") if _is_client(each)),
        files=frozenset(_open_files()),
    )


async def back_to(before: Traces) -> None:
    """Nothing has come since `before`; a thread that is done may take a moment to end."""
    with anyio.move_on_after(1):
        while traces() != before:  # noqa: ASYNC110
            await anyio.sleep(0.01)
    assert traces() == before


def _is_client(connection: Any) -> bool:
    """Whether it is the end of a connection that was made from here, as long as the other end has it too."""
    return bool(connection.raddr) and connection.laddr.port > connection.raddr.port


def _open_files() -> list[str]:
    """Also those without a name."""
    found: list[str] = []
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            name = str(descriptor.readlink())
        except FileNotFoundError:
            continue
        if name.startswith("/") and not name.startswith(("/dev/", "/proc/")):
            found.append(name)
    return found


def leases(folder: Path) -> list[tuple[Any, ...]]:
    """The claims in the database that still hold."""
    found: list[tuple[Any, ...]] = []
    with closing(sqlite3.connect(folder / "litebatch.db")) as connection:
        for table in ("jobs", "file_copies"):
            now = "CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)"
            sql = f"SELECT claimed_by, claimed_until FROM {table} WHERE claimed_until > {now}"
            found.extend(connection.execute(sql))
    return found
