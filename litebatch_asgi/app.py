"""`LiteBatch`: everything wired together, for a host to mount, to call, or to serve."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
from starlette.types import ASGIApp

from litebatch_asgi import plugins
from litebatch_asgi.auth import Authenticator, without_authenticator
from litebatch_asgi.batches import BatchService, InspectionService, SearchService, SpendService
from litebatch_asgi.catalog import Catalog
from litebatch_asgi.config import Config, load_config
from litebatch_asgi.engine import Engine
from litebatch_asgi.errors import ConfigError, LifespanNotEntered, StorageUnavailable
from litebatch_asgi.files import FileService, UploadService
from litebatch_asgi.fleet import Fleet, load_factories
from litebatch_asgi.metrics import NO_METRICS, Kept, Metrics
from litebatch_asgi.metrics import load as load_metrics
from litebatch_asgi.models import Deployment, Principal, Settings, SpendPage, UnservedModel
from litebatch_asgi.operators import Operators
from litebatch_asgi.routes import build_app
from litebatch_asgi.routes.slots import UploadSlots
from litebatch_asgi.sessions import SessionStore
from litebatch_asgi.sink import EventHandler, Sink
from litebatch_asgi.sinks import load_sinks
from litebatch_asgi.spool import Spooler
from litebatch_asgi.storage import Storage
from litebatch_asgi.stores import load_stores
from litebatch_asgi.strategies import STRATEGIES, PlacementStrategy
from litebatch_asgi.webhooks.service import WebhookService
from litebatch_asgi.webhooks.signing import check_installed
from litebatch_asgi.wire import SpendAsked
from litebatch_asgi.wire.spend import MAX_ROWS

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

logger: logging.Logger = logging.getLogger("litebatch_asgi")

_READY_SECONDS = 5.0


class LiteBatch:
    """Managed files and batches over many deployments.

    Args:
        deployments: the provider endpoints, under the virtual models' names.
        storage: a URL such as `sqlite:///batches.db`, or any `Storage`.
        authenticator: says who is calling over HTTP; None: nobody may, and all calls are made in process.
        settings: how it behaves; see `Settings`.
        strategy: which deployment is tried first; None: the one that the settings name.
        clock: gives the time, aware and in UTC, for tests; without it the database's clock counts.
        reconciler: whether the background loop runs here. A replica without it places the batches it is
            asked for and leaves all else to the replicas that have one: there must be one on the database.
        unserved: models that clients are told of when they ask for them, and cannot use.
        metrics_registry: where prometheus-client is to keep the metrics; None: they are kept where
            `metrics_app` is asked for, in a registry of their own.
        sinks: where what happens is delivered, beside those that the settings name: async callables that take
            an `Event`, or `Sink`s. Each gets every event at least once, those of a batch in order.

    Raises `ConfigError` for what cannot be used. Nothing is opened before the lifespan is entered.

    """

    def __init__(
        self,
        *,
        deployments: Sequence[Deployment],
        storage: str | Storage,
        authenticator: Authenticator | None = None,
        settings: Settings | None = None,
        strategy: PlacementStrategy | None = None,
        clock: Callable[[], datetime] | None = None,
        reconciler: bool = True,
        unserved: Sequence[UnservedModel] = (),
        metrics_registry: CollectorRegistry | None = None,
        sinks: Sequence[Sink | EventHandler] = (),
    ) -> None:
        self.settings: Settings = settings or Settings()
        self.catalog: Catalog = Catalog(deployments, unserved)
        self.warnings: list[str] = list(self.catalog.warnings)
        self._factories = load_factories(each.provider for each in self.catalog.deployments.values())
        self._storage = open_storage(storage) if isinstance(storage, str) else storage
        self._strategy = strategy or load_strategy(self.settings.strategy)
        if self.settings.webhook_keys:
            check_installed()
        self._clock = clock
        self._reconciler = reconciler
        self._sinks = load_sinks(self.settings.sinks, sinks, catalog=self.catalog)
        self._stores = load_stores(self.settings)
        self._running: Engine | None = None
        self._leaving: Engine | None = None
        self._entered = 0
        self._turn = anyio.Lock()  # of no event loop: one may follow another
        self._kept: Kept | None = None
        self._page: ASGIApp | None = None
        if metrics_registry is not None:
            self._kept = load_metrics(self._storage, self.catalog, metrics_registry)
        self.upload_slots: UploadSlots = UploadSlots(self.settings.max_concurrent_uploads)
        """which uploads are received at once, by the API and the page together"""
        self.authenticator: Authenticator = without_authenticator if authenticator is None else authenticator
        self.app: ASGIApp = build_app(self, self.authenticator, lifespan=self.lifespan)

    @classmethod
    def from_config(
        cls,
        config: str | Path | Config,
        *,
        authenticator: Authenticator | None = None,
        storage: Storage | None = None,
        reconciler: bool = True,
        sinks: Sequence[Sink | EventHandler] = (),
    ) -> LiteBatch:
        """The same from a configuration file, or from what was read of one. Raises `ConfigError`.

        `storage` is used in place of the configuration's database.
        Models of providers that there is no adapter for are not served: a gateway's configuration names
        others as well.
        """
        if not isinstance(config, Config):
            config = load_config(config)
        litebatch = cls(
            deployments=config.deployments,
            storage=storage or config.database_url,
            authenticator=authenticator,
            settings=config.settings,
            reconciler=reconciler,
            unserved=config.unserved,
            sinks=sinks,
        )
        litebatch.warnings[:0] = config.warnings
        return litebatch

    @asynccontextmanager
    async def lifespan(self, app: Any = None) -> AsyncGenerator[None]:
        """What the host enters around serving: `FastAPI(lifespan=litebatch.lifespan)`.

        May be entered several times, also from different tasks and again after it was left; the first one
        opens the storage and starts the background loop, the last one to leave stops and closes all of it,
        within half a minute at most. Raises `ConfigError` or `StorageUnavailable`, with nothing left open.
        """
        async with self._turn:
            if not self._entered:
                if self._leaving is not None:
                    await self._leaving.ended()
                self._running = await self._start()
            self._entered += 1
        try:
            yield
        finally:
            self._entered -= 1
            if not self._entered and self._running is not None:
                leaving = self._leaving = self._running
                self._running = None
                leaving.stop()  # at once: a host may be cancelled before anything can be awaited
                failure = await leaving.ended()
                if failure is not None:
                    raise failure

    async def _start(self) -> Engine:
        for warning in self.warnings:
            logger.warning(warning)
        engine = Engine(
            storage=self._storage,
            fleet=Fleet(self.catalog, self.settings, self._factories, self.metrics),
            settings=self.settings,
            strategy=self._strategy,
            clock=self._clock,
            reconciler=self._reconciler,
            metrics=self.metrics,
            sinks=self._sinks,
            stores=self._stores,
        )
        await engine.start()
        return engine

    @property
    def metrics(self) -> Metrics:
        """Is told what happens."""
        return NO_METRICS if self._kept is None else self._kept.metrics

    @property
    def metrics_app(self) -> ASGIApp:
        """Answers `GET` with the metrics, for Prometheus and to anyone: mount it where only that comes.

        They are kept from when it is asked for, which is to be before the lifespan is entered. Raises
        `ConfigError` otherwise, or if prometheus-client (extra `metrics`) is not installed.
        """
        if self._kept is None:
            if self._entered:
                raise ConfigError("`metrics_app` is to be asked for before the lifespan is entered")
            self._kept = load_metrics(self._storage, self.catalog)
        return self._kept.app

    @property
    def page(self) -> ASGIApp:
        """The web page of operators and owners, to be mounted where nothing untrusted has the same origin.

        Who signs in, with a key, is whom the authenticator takes `Authorization: Bearer KEY` for; whom it
        knows by a cookie of the host's own need not. Each time it is the same app. Raises `ConfigError`
        without the extra `page`.
        """
        if self._page is None:
            try:
                from litebatch_asgi.page import Page
            except ModuleNotFoundError as error:
                name = (error.name or "").partition(".")[0]
                if name not in ("cryptography", "htpy", "markupsafe"):
                    raise
                raise ConfigError(f"the page needs {name}: pip install 'litebatch-asgi[page]'") from error
            self._page = Page(self, self.authenticator, secret=self.settings.page_secret)
        return self._page

    @property
    def is_entered(self) -> bool:
        """Whether the lifespan is entered."""
        return self._running is not None

    @property
    def files(self) -> FileService:
        """Files, for calls in process. Raises `LifespanNotEntered`."""
        return self._services.files

    @property
    def uploads(self) -> UploadService:
        """Files that are sent in parts, for calls in process. Raises `LifespanNotEntered`."""
        return self._services.uploads

    @property
    def batches(self) -> BatchService:
        """Batches, for calls in process. Raises `LifespanNotEntered`."""
        return self._services.batches

    @property
    def search(self) -> SearchService:
        """Searches for batches and files, for calls in process. Raises `LifespanNotEntered`."""
        return self._services.search

    @property
    def sessions(self) -> SessionStore:
        """Which sessions of the page were ended before their time. Raises `LifespanNotEntered`."""
        return self._services.sessions

    @property
    def inspection(self) -> InspectionService:
        """How single requests of batches went, for calls in process. Raises `LifespanNotEntered`."""
        return self._services.inspection

    @property
    def spending(self) -> SpendService:
        """What was spent, of queries that are checked already. Raises `LifespanNotEntered`."""
        return self._services.spending

    async def spend(
        self,
        principal: Principal,
        *,
        group_by: Sequence[str] = ("day",),
        start_date: date | None = None,
        end_date: date | None = None,
        owner: str | None = None,
        key: str | None = None,
        team: str | None = None,
        model: str | None = None,
        deployment: str | None = None,
        limit: int = MAX_ROWS,
    ) -> SpendPage:
        """What batches of the principal's owner have cost, one row for each combination of `group_by`.

        That are `day`, `owner`, `key`, `team`, `model`, `deployment`; the rows are in that order. Days are of
        UTC and both count; by default they are the last 30. An admin sees everybody's, or those of `owner`,
        which is `PermissionDenied` to anybody else, as is whatever names deployments. At most `limit` rows,
        1 to 10,000. Raises `InvalidRequest` for values that cannot be.
        """
        asked = SpendAsked(
            group_by=group_by,
            start_date=start_date.isoformat() if start_date is not None else None,
            end_date=end_date.isoformat() if end_date is not None else None,
            owner=owner,
            key=key,
            team=team,
            model=model,
            deployment=deployment,
            limit=limit,
        )
        return await self.spending.page(principal, asked)

    @property
    def operators(self) -> Operators:
        """Jobs and deployments, for operators in process. Raises `LifespanNotEntered`."""
        return self._services.operators

    @property
    def webhooks(self) -> WebhookService:
        """The endpoints of webhooks, for calls in process. Raises `LifespanNotEntered`."""
        return self._services.webhooks

    @property
    def spooler(self) -> Spooler:
        """Makes the temporary files that uploads are received in. Raises `LifespanNotEntered`."""
        return self._services.spooler

    @property
    def _services(self) -> Engine:
        if self._running is None:
            raise LifespanNotEntered
        return self._running

    async def ready(self) -> bool:
        """Whether requests can be served: the lifespan is entered, and the storage takes writes in time.

        A database that answers reads alone, as a standby does, is of no use: hence a heartbeat is written.
        """
        if self._running is None:
            return False
        with anyio.move_on_after(_READY_SECONDS):
            try:
                await self._running.presence.say()
            except StorageUnavailable:
                return False
            return True
        return False

    def models(self, principal: Principal) -> list[str]:
        """The virtual models that a principal may use."""
        return self.catalog.models_for(principal)

    def serves(self, principal: Principal, model: str) -> bool:
        """Whether a principal may use a virtual model, and a deployment serves it."""
        return self.catalog.may_use(principal, model) and bool(self.catalog.deployments_for(model))

    def model_groups(self, principal: Principal) -> list[dict[str, Any]]:
        """What `/model_group/info` tells a principal of each of these models."""
        return [self._model_group(name) for name in self.models(principal)]

    def _model_group(self, name: str) -> dict[str, Any]:
        group = self.catalog.groups.get(name) or self.catalog.resolve(name)
        assert group is not None  # each of a principal's models is served by one
        members = group.deployments.values()
        modes = [member.mode for member in members if member.mode is not None]
        inputs = [member.input_cost_per_token_batches for member in members]
        outputs = [member.output_cost_per_token_batches for member in members]
        return {
            "model_group": name,
            "providers": sorted({member.provider for member in members}),
            "mode": modes[0] if modes else None,
            "input_cost_per_token_batches": _first(inputs),
            "output_cost_per_token_batches": _first(outputs),
        }


def _first(prices: Sequence[Any]) -> float | None:
    return next((float(price) for price in prices if price is not None), None)


def open_storage(url: str, table_prefix: str = "") -> Storage:
    """The storage for a URL, by its scheme. Raises `ConfigError` if none is installed for it.

    A `table_prefix` stands before the names of all its tables.
    """
    scheme = url.partition(":")[0].partition("+")[0]
    known = plugins.offered(plugins.STORAGES)
    if scheme not in known:
        raise ConfigError(
            f"no storage for {scheme!r}: a database URL begins with one of "
            f"{', '.join(sorted(known))}, for instance sqlite:///litebatch.db"
        )
    options = {"table_prefix": table_prefix} if table_prefix else {}
    storage: Storage = known[scheme].load()(url, **options)
    return storage


def load_strategy(name: str) -> PlacementStrategy:
    """The placement strategy of this name. Raises `ConfigError` if there is none."""
    if name in STRATEGIES:
        return STRATEGIES[name]
    known = plugins.offered(plugins.STRATEGIES)
    if name not in known:
        names = ", ".join(sorted({*STRATEGIES, *known}))
        raise ConfigError(f"no strategy {name!r}: `strategy` is one of {names}")
    strategy: PlacementStrategy = known[name].load()
    return strategy
