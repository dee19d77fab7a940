"""Quotas: which deployments have no room for a job's tokens beside those of the jobs that are open there.

A limit is configured, or was named by a refusal. What was learned is a hint: estimates are not counts, others
may use the account as well, and limits are raised. So it lapses, it is void once something larger has run,
and a deployment at which nothing is open is always asked.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

from litebatch_asgi.batches.targets import NoRoom, Tries
from litebatch_asgi.errors import ProviderError
from litebatch_asgi.failpoints import hit
from litebatch_asgi.models import Job
from litebatch_asgi.quotas import OpenTokens
from litebatch_asgi.refusals import token_limit_in
from litebatch_asgi.runtime import Runtime

logger: logging.Logger = logging.getLogger(__name__)

LAPSE_SECONDS = 3600.0
"""how long a limit that was learned counts"""


class Quotas:
    """Knows and learns how many tokens deployments take at once."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def put_off(self, tries: Tries, model: str, tokens: int, *, checks: int = 0) -> Tries:
        """The same with those deployments put off that have no room for so many tokens of a virtual model.

        `checks`: how often they had none before; they are looked at again later each time.
        """
        if tokens <= 0:
            return tries
        limits = await self._limits(model)
        if not limits:
            return tries
        is_open = await self._runtime.storage.quotas.open_tokens(limits)
        full: dict[str, NoRoom] = {}
        for where, limit in limits.items():
            used = self._used(is_open, where, model)
            if used is not None and used + tokens > limit:
                full[where] = NoRoom(limit=limit, used=used)
        return tries.without_room(full, self._runtime.next_look(self._runtime.now(), None, checks))

    async def _limits(self, model: str) -> Mapping[str, int]:
        """Those of the deployments that serve the virtual model; what was learned counts where it is less."""
        fleet = self._runtime.fleet
        deployments = fleet.deployments_for(model)
        limits = {
            where: deployment.enqueued_tokens
            for where, deployment in deployments.items()
            if deployment.enqueued_tokens is not None
        }
        for learned in await self._runtime.storage.quotas.known(deployments, LAPSE_SECONDS):
            where = learned.deployment_id
            if learned.model == fleet.upstream_model(where, model):
                limits[where] = min(learned.tokens, limits.get(where, learned.tokens))
        return limits

    def _used(self, is_open: Iterable[OpenTokens], where: str, model: str) -> int | None:
        """The tokens that are open at a deployment for what it calls the model; None: nothing is."""
        fleet = self._runtime.fleet
        name = fleet.upstream_model(where, model)
        used = [
            each.tokens
            for each in is_open
            if each.deployment_id == where and fleet.upstream_model(where, each.model) == name
        ]
        return sum(used) if used else None

    async def learn(self, job: Job, error: ProviderError) -> None:
        """Keep the limit that a refusal of the job names, if it does."""
        tokens = token_limit_in(error.message)
        name = await self._model_of(job) if tokens is not None else None
        if tokens is None or name is None or job.deployment_id is None:
            return
        told = {"deployment": job.deployment_id, "model": name, "tokens": tokens}
        logger.info("a deployment takes so many tokens at once", extra=told)
        await self._runtime.storage.quotas.learn(job.deployment_id, name, tokens)

    async def took(self, *jobs: Job) -> None:
        """Forget limits that jobs were above and that have not kept them from running; one read for all.

        That a job runs is to be written afterwards: it is seen for the first time once.
        """
        quotas = self._runtime.storage.quotas
        above = {job.deployment_id for job in jobs if job.deployment_id is not None and job.tokens}
        known = await quotas.known(above, LAPSE_SECONDS) if above else []
        for job in sorted(jobs, key=lambda job: job.tokens, reverse=True):
            at_hand = [each for each in known if each.deployment_id == job.deployment_id]
            name = await self._model_of(job) if any(each.tokens < job.tokens for each in at_hand) else None
            void = [each for each in at_hand if each.model == name and each.tokens < job.tokens]
            if name is not None and void:
                hit("quota.voiding")
                await quotas.forget(void[0].deployment_id, name, below=job.tokens)
                known = [each for each in known if each not in void]

    async def _model_of(self, job: Job) -> str | None:
        """What the job's deployment calls the model of its batch."""
        batch = await self._runtime.storage.get_batch(job.batch_id)
        if batch is None or job.deployment_id is None or not self._runtime.fleet.has(job.deployment_id):
            return None
        return self._runtime.fleet.upstream_model(job.deployment_id, batch.model)
