"""The engine: what runs between entering and leaving the lifespan."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import datetime

import anyio

from litebatch_asgi import tracing
from litebatch_asgi.batches import BatchService, InspectionService, SearchService, SpendService
from litebatch_asgi.batches.dispatching import JobDispatcher
from litebatch_asgi.clock import Clock
from litebatch_asgi.contents import ContentStore
from litebatch_asgi.delivering import Deliveries, WebhookWorker
from litebatch_asgi.deployment_events import in_words
from litebatch_asgi.errors import ConfigError
from litebatch_asgi.files import FileService, UploadService
from litebatch_asgi.fleet import Fleet
from litebatch_asgi.live import LiveRunner
from litebatch_asgi.loops import restarted
from litebatch_asgi.metrics import Metrics
from litebatch_asgi.models import Settings
from litebatch_asgi.operators import Operators
from litebatch_asgi.presence import Presence
from litebatch_asgi.prices import load_prices
from litebatch_asgi.reconciler import Handover, Reconciler
from litebatch_asgi.runtime import Runtime
from litebatch_asgi.sessions import SessionStore
from litebatch_asgi.sink import Sink
from litebatch_asgi.sinks import LogSink
from litebatch_asgi.spool import Spooler
from litebatch_asgi.storage import Storage
from litebatch_asgi.stores import ContentStores
from litebatch_asgi.strategies import PlacementStrategy
from litebatch_asgi.threads import Threads
from litebatch_asgi.webhooks.resolving import LOOKUPS
from litebatch_asgi.webhooks.secrets import WebhookKeys
from litebatch_asgi.webhooks.sender import SenderLimits, WebhookSender
from litebatch_asgi.webhooks.service import WebhookService

DRAIN_SECONDS = 5.0
"""how long calls that were under way may take to end once their work was cancelled"""
CLOSE_SECONDS = 10.0
"""how long connections, storage and threads may take, each in its turn, to be closed"""

logger: logging.Logger = logging.getLogger(__name__)


class Engine:
    """What exists between entering and leaving the lifespan, in a task of its own.

    The task makes it possible to enter and leave from different tasks of the host.
    """

    files: FileService
    uploads: UploadService
    batches: BatchService
    search: SearchService
    sessions: SessionStore
    inspection: InspectionService
    spending: SpendService
    webhooks: WebhookService
    operators: Operators
    spooler: Spooler
    presence: Presence

    def __init__(
        self,
        *,
        storage: Storage,
        fleet: Fleet,
        settings: Settings,
        strategy: PlacementStrategy,
        clock: Callable[[], datetime] | None,
        reconciler: bool,
        metrics: Metrics,
        sinks: Sequence[Sink] = (),
        stores: Mapping[str, ContentStore],
    ) -> None:
        self._storage = storage
        self._fleet = fleet
        self._settings = settings
        self._strategy = strategy
        self._clock = clock
        self._reconciler = reconciler
        self._metrics = metrics
        self._sinks = sinks
        self._stores = stores
        self._started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Open everything; raises what stands against it, with nothing left open, also when cancelled."""
        self._task = asyncio.create_task(self._run(), name="litebatch")
        try:
            await asyncio.wait([self._started, self._task], return_when=asyncio.FIRST_COMPLETED)
        except BaseException:
            self._task.cancel()
            await self.ended()
            raise
        if not self._started.done():
            await self._task

    def stop(self) -> None:
        """Begin to stop everything: see `ended`."""
        self._stop.set()

    async def ended(self) -> BaseException | None:
        """Wait until all is closed, which takes no longer than the limits above; what failed, or None.

        Whoever is cancelled while waiting does not stop the closing.
        """
        assert self._task is not None
        if not self._task.done() and self._task.get_loop() is asyncio.get_running_loop():
            with anyio.CancelScope(shield=True):
                await asyncio.wait([self._task])
        is_failed = self._task.done() and not self._task.cancelled()
        return self._task.exception() if is_failed else None

    async def _run(self) -> None:
        threads, lookups = Threads(), Threads(LOOKUPS)
        try:
            await asyncio.wrap_future(threads.submit(tracing.prepare))
            tracing.leave_request()  # whichever has made the host enter the lifespan
            await self._check_spool(threads)
            prices = await asyncio.wrap_future(
                threads.submit(load_prices, self._fleet.catalog, self._settings)
            )
            installation = await self._storage.open()
            clock = Clock(self._storage)
            await clock.synchronise()
            settings = self._settings
            async with (
                ContentStores.opened(self._storage.contents, self._stores, settings.content_store) as stores,
                anyio.create_task_group() as tasks,
            ):
                tasks.start_soon(restarted, clock.run)
                self.spooler = Spooler(settings.spool_path, threads, max_bytes=settings.max_spool_bytes)
                runtime = Runtime(
                    storage=self._storage,
                    fleet=self._fleet,
                    prices=prices,
                    settings=settings,
                    spooler=self.spooler,
                    executor=threads,
                    strategy=self._strategy,
                    clock=self._clock or clock.now,
                    worker=f"w-{uuid.uuid4().hex[:12]}",
                    installation_id=installation.id,
                    tasks=tasks,
                    metrics=self._metrics,
                    stores=stores,
                    logs_events=any(isinstance(sink, LogSink) for sink in self._sinks),
                )
                keys = WebhookKeys(settings.webhook_keys, installation.id)
                limits = SenderLimits(seconds=min(SenderLimits().seconds, settings.delivery_timeout_seconds))
                sender = WebhookSender(
                    lookups, to_private=settings.webhooks_to_private_addresses, limits=limits
                )
                webhooks = WebhookWorker(runtime, keys, sender) if settings.webhook_keys else None
                deliveries = Deliveries(runtime, self._sinks, webhooks)
                await deliveries.register()
                dispatcher = JobDispatcher(runtime)
                self.files = FileService(runtime)
                self.uploads = UploadService(runtime, self.files)
                self.batches = BatchService(runtime, dispatcher)
                self.search = SearchService(runtime)
                self.sessions = self._storage.sessions
                self.inspection = InspectionService(runtime, self.batches)
                self.spending = SpendService(runtime)
                self.operators = Operators(self._storage, settings, rest_left=self._fleet.cooldown_left)
                self.webhooks = WebhookService(
                    self._storage.webhook_endpoints,
                    self._storage.outbox,
                    keys,
                    sender,
                    now=runtime.now,
                    to_private=settings.webhooks_to_private_addresses,
                )
                loop = Reconciler(runtime, dispatcher) if self._reconciler else Handover(runtime)
                tasks.start_soon(restarted, loop.run)
                if self._reconciler:
                    tasks.start_soon(restarted, deliveries.run)
                    runner = LiveRunner(runtime)
                    if runner.is_needed:
                        tasks.start_soon(restarted, runner.run)
                self.presence = runtime.presence
                await self.presence.beat()
                await self._tell_missing()
                tasks.start_soon(restarted, self.presence.run)
                tasks.start_soon(restarted, self._metrics.run)
                self._started.set_result(None)
                await self._stop.wait()
                await runtime.stop(DRAIN_SECONDS)
        finally:
            await self._close(threads, lookups)

    async def _tell_missing(self) -> None:
        for use in await self.presence.missing():
            logger.warning(
                "deployment %r is not in the configuration, and has %s: put it back, or what is there ends "
                "without its results once no process has it",
                use.deployment_id,
                in_words(use),
            )

    async def _check_spool(self, threads: Threads) -> None:
        folder = self._settings.spool_path
        if not await asyncio.wrap_future(threads.submit(folder.is_dir)):
            raise ConfigError(f"spool_dir: there is no folder {folder}; make it first")

    async def _close(self, threads: Threads, lookups: Threads) -> None:
        """Close all, each of them even if another fails, hangs or is cancelled."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._end_lookups, lookups)
            stack.push_async_callback(self._end, threads)
            stack.push_async_callback(_limited, "the storage", self._storage.close)
            stack.push_async_callback(_limited, "the connections", self._fleet.aclose)

    async def _end(self, threads: Threads) -> None:
        if not await threads.aclose(CLOSE_SECONDS):
            logger.warning("a thread is still busy, most likely with a file object that a caller handed in")

    async def _end_lookups(self, lookups: Threads) -> None:
        if not await lookups.aclose(CLOSE_SECONDS):
            logger.warning("a thread is still busy with looking up the name of a webhook's receiver")


async def _limited(what: str, close: Callable[[], Awaitable[None]]) -> None:
    with anyio.move_on_after(CLOSE_SECONDS, shield=True) as limit:
        await close()
    if limit.cancelled_caught:
        logger.warning("%s took more than %g seconds to close and may be left open", what, CLOSE_SECONDS)
