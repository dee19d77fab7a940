"""Where the price of a model is looked for."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from litebatch_asgi.costs.genai import genai_rates
from litebatch_asgi.costs.litellm import PriceFile, litellm_rates
from litebatch_asgi.costs.rates import Rates
from litebatch_asgi.models import Deployment, Lane

USUAL_THRESHOLDS = frozenset({32_000, 100_000, 128_000, 199_999, 200_000, 256_000, 272_000, 512_000, 524_288})
"""lengths of inputs, in tokens, at which providers change their prices"""

_MOST_KEPT = 1000
"""prices that are remembered"""


class PriceBook:
    """The prices of all deployments.

    Each model has the price of the first that knows it: the deployment itself, the file, `genai-prices`.
    """

    def __init__(self, deployments: Iterable[Deployment], file: PriceFile | None = None) -> None:
        self._file = file
        rates = [_own_rates(deployment) for deployment in deployments]
        if file is not None:
            rates += [each for _, each in file.rates.values()]
        told = frozenset[int]().union(*(each.thresholds for each in rates if each is not None))
        self.thresholds: tuple[int, ...] = tuple(sorted(USUAL_THRESHOLDS | told))
        """the lengths of inputs, in tokens, at which a price may change"""
        self._genai: dict[tuple[str, str, datetime, Lane], Rates | None] = {}

    def find(self, deployment: Deployment, model: str, *, upstream_model: str, now: datetime) -> Rates | None:
        """What a deployment takes for a batch's tokens of the model that answered; None if that is unknown.

        A live one takes what it takes for any request. Where the deployment has a `base_model`, that one's
        price goes before that of the model that answered, as with LiteLLM.

        Nobody need know the name under which a model answers, such as that of a version of yesterday: then
        the upstream model's price counts, by which the batch was let in. The first call loads `genai-prices`,
        which takes a second: call it in a thread.
        """
        own = _own_rates(deployment)
        if own is not None:
            return own
        base = (deployment.base_model or "").removeprefix(f"{deployment.provider}/")
        named = self._named(deployment, (base,), now) if base else None
        return named or self._named(deployment, tuple(dict.fromkeys((model, upstream_model))), now)

    def _named(self, deployment: Deployment, names: tuple[str, ...], now: datetime) -> Rates | None:
        """What the file or `genai-prices` has under one of the names, the first in front."""
        lane = _lane_of(deployment)
        if self._file is not None:
            for name in names:
                rates = self._file.find(deployment.provider, name, lane)
                if rates is not None:
                    return rates
        known = (self._genai_rates(deployment.provider, name, now, lane) for name in names)
        return next((rates for rates in known if rates is not None), None)

    def _genai_rates(self, provider: str, model: str, now: datetime, lane: Lane) -> Rates | None:
        """As `genai_rates`, which takes some time, once an hour: a price does not begin within one."""
        asked = (provider, model, now.replace(minute=0, second=0, microsecond=0), lane)
        if asked in (kept := self._genai):
            return kept[asked]
        if len(kept) >= _MOST_KEPT:
            self._genai = {}  # another thread may be reading the old one
        found = self._genai[asked] = genai_rates(provider, model, now, lane)
        return found


def _own_rates(deployment: Deployment) -> Rates | None:
    return litellm_rates(deployment.own_prices, "config", _lane_of(deployment))


def _lane_of(deployment: Deployment) -> Lane:
    return Lane.LIVE if deployment.is_live else Lane.NATIVE
