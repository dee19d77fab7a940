"""What deployments take for tokens, looked up where that may take its time."""

from __future__ import annotations

import logging
from functools import partial

from litebatch_asgi.costs import Quote, Rates, estimate, quote
from litebatch_asgi.models import Deployment, File
from litebatch_asgi.runtime import Runtime

logger: logging.Logger = logging.getLogger(__name__)


async def find_rates(
    runtime: Runtime, deployment: Deployment, model: str, *, upstream_model: str
) -> Rates | None:
    """What a deployment takes for tokens of the model that answers; None if that is unknown.

    Never raises for a table of prices that cannot be read.
    """
    find = partial(runtime.prices.find, upstream_model=upstream_model, now=runtime.now())
    try:
        return await runtime.in_executor(find, deployment, model)
    except Exception:  # a table that somebody else has made must not keep results from being published
        logger.exception("prices cannot be read", extra={"model": model})
        return None


async def rates_for(runtime: Runtime, model: str) -> dict[str, Rates | None]:
    """What each deployment of a virtual model takes, by its id."""
    found: dict[str, Rates | None] = {}
    for where, deployment in runtime.fleet.deployments_for(model).items():
        upstream = deployment.upstream_model_for(model)
        found[where] = await find_rates(runtime, deployment, upstream, upstream_model=upstream)
    return found


async def quote_for(runtime: Runtime, file: File) -> Quote:
    """What a batch on an input file is estimated to cost, at the dearest deployment of its model."""
    rates = await rates_for(runtime, file.models[0])
    return quote(estimate(file, runtime.settings), list(rates.values()))
