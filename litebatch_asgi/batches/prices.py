"""What deployments take for tokens, looked up where that may take its time."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from functools import partial

from litebatch_asgi.costs import BatchInput, Estimate, Quote, Rates, quote
from litebatch_asgi.models import CopyState, Deployment, FileCopy, FileState
from litebatch_asgi.runtime import Runtime

logger: logging.Logger = logging.getLogger(__name__)


async def find_rates(
    runtime: Runtime, deployment: Deployment, model: str, *, upstream_model: str
) -> Rates | None:
    """What a deployment takes for tokens of the model that answers; None if that is unknown.

    Never raises for a table of prices that cannot be read.
    """
    return await runtime.in_executor(
        partial(_find, runtime, deployment, model, upstream_model=upstream_model)
    )


async def rates_for(runtime: Runtime, model: str) -> dict[str, Rates | None]:
    """What each deployment of a virtual model takes, by its id, as far as that is known."""
    served = runtime.fleet.deployments_for(model)

    def find() -> dict[str, Rates | None]:
        upstreams = {where: each.upstream_model_for(model) for where, each in served.items()}
        return {
            where: _find(runtime, each, upstreams[where], upstream_model=upstreams[where])
            for where, each in served.items()
        }

    return await runtime.in_executor(find)


async def quote_for(runtime: Runtime, state: FileState, found: BatchInput) -> Quote:
    """What a batch is estimated to cost, at the dearest deployment that may get it.

    `found` is what it runs of its input, which is all of it or a part.
    """
    rates = await rates_for(runtime, state.file.models[0])
    return dearest(Estimate.of(found, state.file.endpoint, runtime.settings), rates, state.copies)


def dearest(found: Estimate, rates: Mapping[str, Rates | None], copies: Collection[FileCopy]) -> Quote:
    """The quote of the dearest deployment that may get the batch, be it by a copy that is still to be made.

    One that does not take the file, where all of its `copies` have failed, is not among them, unless no other
    is.
    """
    tried = {copy.deployment_id for copy in copies}
    usable = {copy.deployment_id for copy in copies if copy.state is not CopyState.FAILED}
    may_get_it = [rates[where] for where in rates if where in usable or where not in tried]
    return quote(found, may_get_it or list(rates.values()))


def _find(runtime: Runtime, deployment: Deployment, model: str, *, upstream_model: str) -> Rates | None:
    try:
        return runtime.prices.find(deployment, model, upstream_model=upstream_model, now=runtime.now())
    except Exception:  # a table that somebody else has made must not keep results from being published
        logger.exception("prices cannot be read", extra={"model": model})
        return None
