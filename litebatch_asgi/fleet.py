"""The configured deployments, and the adapters that speak to them."""

from __future__ import annotations

import logging
import math
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import anyio
import msgspec

from litebatch_asgi import plugins
from litebatch_asgi.catalog import Catalog
from litebatch_asgi.deployment_events import Rest
from litebatch_asgi.dialects import Dialect
from litebatch_asgi.errors import ConfigError, DeploymentGone, ProviderError
from litebatch_asgi.listings import SharedListing
from litebatch_asgi.metrics import NO_METRICS, Metrics
from litebatch_asgi.models import Deployment, ProviderBatch, ProviderFile, Settings
from litebatch_asgi.models.ids import family_of
from litebatch_asgi.models.provider import TAG_INSTALLATION, TAG_JOB
from litebatch_asgi.provider import AdapterFactory, LiveServer, ProviderAdapter
from litebatch_asgi.providers.live import LiveAdapter
from litebatch_asgi.refusals import Refusal, kind_of, may_be_about_model
from litebatch_asgi.tracing import Upstream

logger: logging.Logger = logging.getLogger(__name__)

VANISHED_TOGETHER = 3
"""batches of one deployment that its provider does not know any more: no accident"""
REST_OVER_SECONDS = 60.0
"""after a rest in which nobody asks a deployment: the next refusal begins another one"""
VANISHED_WITHIN_SECONDS = 600.0
"""within which so many count as vanished together, and for which nothing is placed there then"""


def load_factories(names: Iterable[str]) -> dict[str, AdapterFactory]:
    """The adapters of these providers. Raises `ConfigError` for one that is not installed."""
    wanted = set(names)
    known = plugins.offered(plugins.PROVIDERS)
    missing = sorted(wanted - known.keys())
    if missing:
        raise ConfigError(
            f"no adapter for provider {missing[0]!r}: `model` begins with one of {', '.join(sorted(known))}, "
            "or has no provider before the `/` for an OpenAI-compatible server"
        )
    return {name: known[name].load() for name in wanted}


def adapter_of(
    deployment: Deployment, settings: Settings, factories: Mapping[str, AdapterFactory]
) -> ProviderAdapter:
    """Who has the files and batches of a deployment. Raises `ConfigError` for one that cannot be used."""
    factory = factories[deployment.provider]
    if deployment.is_live:
        return LiveAdapter(deployment, settings, native=factory)
    return factory(deployment, settings)


def _live_server(deployment: Deployment, settings: Settings) -> LiveServer:
    from litebatch_asgi.providers.live.servers import live_server

    return live_server(deployment, settings)


class LastRefusal(msgspec.Struct, frozen=True, kw_only=True):
    """Why a deployment did not take something."""

    kind: Refusal
    status: int | None
    """what it answered"""
    code: str | None = None
    said: str = ""
    """its words, which may name what is nobody's business"""
    retry_after: float | None = None
    """seconds that it asked for"""


class JobLimits(NamedTuple):
    """What one batch at a deployment may have; None: there is no limit beside our own."""

    requests: int | None
    bytes: int | None
    """of its input, as it is sent"""
    tokens: int | None
    """of its input, estimated"""


class Fleet:
    """Adapters by deployment id, and which deployments are cooling down."""

    def __init__(
        self,
        catalog: Catalog,
        settings: Settings,
        factories: Mapping[str, AdapterFactory],
        metrics: Metrics = NO_METRICS,
    ) -> None:
        self.catalog = catalog
        self._settings = settings
        self._metrics = metrics
        self._live_servers = {
            deployment_id: _live_server(deployment, settings)
            for deployment_id, deployment in catalog.deployments.items()
            if deployment.is_live
        }
        self._adapters = {
            deployment_id: metrics.around(adapter_of(deployment, settings, factories), deployment_id)
            for deployment_id, deployment in catalog.deployments.items()
        }
        self._batches: dict[str, SharedListing[ProviderBatch]] = {}
        self._files: dict[str, SharedListing[ProviderFile]] = {}
        self._wrong_bytes: set[str] = set()
        self._cooldowns: dict[str, tuple[float, float]] = {}
        self._refusals: dict[str, LastRefusal] = {}
        self._probed: set[str] = set()
        self._answering: set[str] = set()
        self._placing = Counter[str]()
        self._vanished: dict[str, deque[float]] = {}
        self._rest_listeners: list[Callable[[Rest], None]] = []

    async def aclose(self) -> None:
        """Close all adapters and servers."""
        for server in self._live_servers.values():
            await server.aclose()
        for adapter in self._adapters.values():
            await adapter.aclose()

    @property
    def ids(self) -> Iterable[str]:
        """The ids of all deployments."""
        return self._adapters.keys()

    def has(self, deployment_id: str) -> bool:
        """Whether the configuration has this deployment."""
        return deployment_id in self._adapters

    def adapter(self, deployment_id: str | None) -> ProviderAdapter:
        """Who speaks to this deployment. Raises `DeploymentGone` if the configuration has it no longer."""
        if deployment_id is None or deployment_id not in self._adapters:
            raise DeploymentGone(
                "This object lives on a deployment that the gateway's configuration no longer has. "
                "Ask its operator to put the deployment back, then try again."
            )
        return self._adapters[deployment_id]

    def is_live(self, deployment_id: str) -> bool:
        """Whether the deployment is there and runs its lines request by request."""
        return deployment_id in self._live_servers

    def has_batches(self, deployment_id: str) -> bool:
        """Whether the deployment is there and its provider can be asked what becomes of a batch."""
        return self.has(deployment_id) and not self.is_live(deployment_id)

    def live_server(self, deployment_id: str) -> LiveServer:
        """Who sends requests to this live deployment. Raises `DeploymentGone` where there is none."""
        self.adapter(deployment_id)
        if deployment_id not in self._live_servers:
            raise DeploymentGone(
                "This batch runs live on a deployment that is not a live one any more. Ask the gateway's "
                "operator to give the deployment its `lane: live` back, then try again."
            )
        return self._live_servers[deployment_id]

    def files_by_name(self, deployment_id: str) -> SharedListing[ProviderFile]:
        """The deployment's list of files, to find those of a name. Raises `DeploymentGone`."""
        if deployment_id not in self._files:
            read = self.adapter(deployment_id).list_files
            self._files[deployment_id] = SharedListing(read, lambda file: file.filename)
        return self._files[deployment_id]

    def batches_by_family(self, deployment_id: str) -> SharedListing[ProviderBatch]:
        """The deployment's list of batches, to find those of `batch_family`. Raises `DeploymentGone`."""
        if deployment_id not in self._batches:
            self._batches[deployment_id] = SharedListing(self.adapter(deployment_id).list_batches, _family)
        return self._batches[deployment_id]

    def batches_by_size(self, deployment_id: str) -> SharedListing[ProviderBatch]:
        """The same for a provider that tells no tags, to find those with so many requests."""
        if deployment_id not in self._batches:
            self._batches[deployment_id] = SharedListing(self.adapter(deployment_id).list_batches, _size)
        return self._batches[deployment_id]

    def deployments_for(self, model: str) -> Mapping[str, Deployment]:
        """The deployments that serve the virtual model (or group of that name), by id; none if unknown."""
        return self.catalog.deployments_for(model)

    def upstream_model(self, deployment_id: str, model: str) -> str:
        """What the deployment calls the virtual model. Raises `DeploymentGone`."""
        self.adapter(deployment_id)
        return self.catalog.deployments[deployment_id].upstream_model_for(model)

    def dialect(self, deployment_id: str, model: str) -> Dialect | None:
        """How lines of the virtual model are translated for the deployment; None: they are not.

        Raises `DeploymentGone`.
        """
        return self.adapter(deployment_id).dialect(self.upstream_model(deployment_id, model))

    def job_limits(self, deployment_id: str) -> JobLimits:
        """What the deployment takes in one batch: as it is configured, else as its provider is known for.

        Raises `DeploymentGone`.
        """
        adapter, deployment = self.adapter(deployment_id), self.catalog.deployments[deployment_id]
        return JobLimits(
            requests=deployment.max_job_requests or adapter.max_requests,
            bytes=deployment.max_job_bytes or adapter.max_bytes,
            tokens=deployment.max_job_tokens,
        )

    def upstream(self, deployment_id: str, model: str | None) -> Upstream:
        """Who answers for the deployment, and the virtual model's name there. Raises `DeploymentGone`."""
        name = self.upstream_model(deployment_id, model) if model is not None else None
        self.adapter(deployment_id)
        return Upstream(self.catalog.deployments[deployment_id].provider, name)

    def ignores_bytes(self, deployment_id: str) -> bool:
        """Whether what this deployment says of the size of its files counts for nothing."""
        return deployment_id in self._wrong_bytes

    def ignore_bytes(self, deployment_id: str) -> None:
        """Note that a deployment told a wrong size of a file that was right."""
        if deployment_id not in self._wrong_bytes:
            self._wrong_bytes.add(deployment_id)
            told = {"deployment": deployment_id}
            logger.warning("a deployment tells wrong sizes of its files, which count for nothing", extra=told)

    def min_poll_seconds(self, deployment_id: str | None) -> float:
        """The shortest time between two looks at a job of this deployment."""
        if self._settings.min_poll_seconds is not None:
            return self._settings.min_poll_seconds
        if deployment_id is None or not self.has(deployment_id):
            return 5.0
        return self._adapters[deployment_id].min_poll_seconds

    def when_resting(self, call: Callable[[Rest], None]) -> None:
        """Have something called whenever a deployment begins to rest."""
        self._rest_listeners.append(call)

    def cool_down(
        self,
        deployment_id: str,
        retry_after: float | None,
        *,
        reason: Refusal = Refusal.OTHER,
        status: int | None = None,
        answers: bool = False,
    ) -> None:
        """Place nothing on a deployment that has just refused: as long as it asked, else longer each time.

        It begins to rest by that, unless it goes on: it has taken nothing since it refused last, which is not
        long ago. For `answers` see `answers_at_rest`.
        """
        now = anyio.current_time()
        (self._answering.add if answers else self._answering.discard)(deployment_id)
        until, before = self._cooldowns.get(deployment_id, (-math.inf, 0.0))
        first = self.min_poll_seconds(None)
        most = max(first, self._settings.max_poll_seconds)
        seconds = retry_after or min(max(first, 2 * before), most)
        self._cooldowns[deployment_id] = (now + seconds, seconds)
        self._metrics.cooling_down(deployment_id, reason, seconds)
        if now > until + max(before, most, REST_OVER_SECONDS):
            rest = Rest(deployment_id=deployment_id, reason=reason, status=status, seconds=seconds)
            for call in self._rest_listeners:
                call(rest)

    def refused(self, deployment_id: str, error: ProviderError, *, kind: Refusal | None = None) -> None:
        """Place nothing for a while on a deployment that has just refused, and remember why.

        `kind` is told where it was no answer to a call that refused. What may be about a model that a client
        has named says nothing of what others run there.
        """
        if may_be_about_model(error) and self.catalog.deployments[deployment_id].takes_any_model:
            return
        kind = kind or kind_of(error)
        self._refusals[deployment_id] = LastRefusal(
            kind=kind,
            status=error.status,
            code=error.code,
            said=error.message,
            retry_after=error.retry_after,
        )
        self.cool_down(deployment_id, error.retry_after, reason=kind, status=error.status)

    def last_refusal(self, deployment_id: str) -> LastRefusal | None:
        """Why the deployment has refused last, if it has taken nothing since."""
        return self._refusals.get(deployment_id)

    def batch_vanished(self, deployment_id: str) -> bool:
        """Note that a provider does not know a batch of ours any more; whether that makes one too many.

        Then nothing is placed there for a while: the deployment's key may be of another project now.
        """
        now = anyio.current_time()
        lately = self._vanished.setdefault(deployment_id, deque(maxlen=VANISHED_TOGETHER))
        lately.append(now)
        if len(lately) < VANISHED_TOGETHER or now - lately[0] > VANISHED_WITHIN_SECONDS:
            return False
        lately.clear()
        self._refusals[deployment_id] = LastRefusal(kind=Refusal.VANISHED, status=None)
        self.cool_down(deployment_id, VANISHED_WITHIN_SECONDS, reason=Refusal.VANISHED)
        return True

    def clear_cooldown(self, deployment_id: str) -> None:
        """Forget refusals: the deployment has just taken something."""
        if self._cooldowns.pop(deployment_id, None) is not None:
            self._metrics.cooled_down(deployment_id)
        self._refusals.pop(deployment_id, None)
        self._answering.discard(deployment_id)

    @contextmanager
    def placing(self, deployment_id: str, requests: int) -> Generator[None]:
        """A create at a deployment. While one is asked after a refusal, no other one is."""
        is_probe = deployment_id in self._cooldowns
        if is_probe:
            self._probed.add(deployment_id)
        self._placing[deployment_id] += requests
        try:
            yield
        finally:
            self._placing[deployment_id] -= requests
            if is_probe:
                self._probed.discard(deployment_id)

    def answers_at_rest(self, deployment_id: str) -> bool:
        """Whether a deployment that rests answers all the same: what it refuses may be the jobs it has."""
        return deployment_id in self._answering

    def being_placed(self, deployment_id: str) -> int:
        """The requests of the jobs that this process is giving to a deployment: load that no row may tell."""
        return self._placing[deployment_id]

    def cooldown_left(self, deployment_id: str) -> float:
        """Seconds until the deployment may be used again; 0: it may be used now."""
        until, _ = self._cooldowns.get(deployment_id, (0.0, 0.0))
        left = max(0.0, until - anyio.current_time())
        return max(left, self.min_poll_seconds(None)) if deployment_id in self._probed else left


def batch_family(installation_id: str, job_id: str) -> tuple[str, str]:
    """What a provider's batches are found by: whose they are, and which shard they ran. See `family_of`."""
    return installation_id, family_of(job_id)


def _family(batch: ProviderBatch) -> tuple[str, str] | None:
    installation_id, job_id = batch.metadata.get(TAG_INSTALLATION), batch.metadata.get(TAG_JOB)
    return batch_family(installation_id, job_id) if installation_id and job_id else None


def _size(batch: ProviderBatch) -> int | None:
    return batch.counts.total if batch.counts is not None else None
