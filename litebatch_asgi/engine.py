"""The engine: what runs between entering and leaving the lifespan."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import anyio

from litebatch_asgi.batches import BatchService
from litebatch_asgi.batches.carrying import Carrier
from litebatch_asgi.errors import ConfigError
from litebatch_asgi.files import FileService
from litebatch_asgi.fleet import Fleet
from litebatch_asgi.models import Settings
from litebatch_asgi.reconciler import Reconciler
from litebatch_asgi.routing import PlacementStrategy
from litebatch_asgi.runtime import Runtime
from litebatch_asgi.spool import Spooler
from litebatch_asgi.storage import Storage

THREADS = 4
"""of our own, for disks and for what would hold the event loop"""


class Engine:
    """What exists between entering and leaving the lifespan, in a task of its own.

    The task makes it possible to enter and leave from different tasks of the host.
    """

    files: FileService
    batches: BatchService
    spooler: Spooler

    def __init__(
        self,
        *,
        storage: Storage,
        fleet: Fleet,
        settings: Settings,
        strategy: PlacementStrategy,
        clock: Callable[[], datetime],
    ) -> None:
        self._storage = storage
        self._fleet = fleet
        self._settings = settings
        self._strategy = strategy
        self._clock = clock
        self._started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Open everything; raises what stands against it, with nothing left open."""
        self._task = asyncio.create_task(self._run(), name="litebatch")
        await asyncio.wait([self._started, self._task], return_when=asyncio.FIRST_COMPLETED)
        if not self._started.done():
            await self._task

    async def stop(self) -> None:
        """Stop everything and wait until it is closed."""
        assert self._task is not None
        self._stop.set()
        await self._task

    async def _run(self) -> None:
        if not await anyio.Path(self._settings.spool_path).is_dir():
            raise ConfigError(f"spool_dir: there is no folder {self._settings.spool_path}; make it first")
        executor = ThreadPoolExecutor(THREADS, thread_name_prefix="litebatch")
        try:
            installation = await self._storage.open()
            async with anyio.create_task_group() as tasks:
                self.spooler = Spooler(self._settings.spool_path, executor)
                runtime = Runtime(
                    storage=self._storage,
                    fleet=self._fleet,
                    settings=self._settings,
                    spooler=self.spooler,
                    executor=executor,
                    strategy=self._strategy,
                    clock=self._clock,
                    worker=f"w-{uuid.uuid4().hex[:12]}",
                    installation_id=installation.id,
                    tasks=tasks,
                )
                carrier = Carrier(runtime)
                self.files = FileService(runtime)
                self.batches = BatchService(runtime, carrier)
                tasks.start_soon(Reconciler(runtime, carrier).run)
                self._started.set_result(None)
                await self._stop.wait()
                tasks.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True):
                await self._fleet.aclose()
                await self._storage.close()
                executor.shutdown()
