"""One inference server: what its requests share."""

from __future__ import annotations

import random
import time

from .account import Account
from .latency import Latency
from .outages import Outages
from .rate_limits import KeyLimits, RateLimits
from .request_journal import RequestJournal
from .slots import Slots

MOST_KEYS = 1000
"""whose limits are remembered"""


class InferenceServer:
    """The server that an account of the flavour `vllm` is. For one event loop."""

    def __init__(self, account: Account, journal: RequestJournal, outages: Outages) -> None:
        self.account = account
        self.journal = journal
        self.outages = outages
        self.slots: Slots = Slots()
        self._limits: dict[str | None, KeyLimits] = {}
        self._chance = random.Random(f"{account.settings.seed}:{account.name}")  # noqa: S311 repeatable on purpose
        account.on_change.append(self._reconsider)

    def limits_of(self, key: str | None) -> KeyLimits | None:
        """The buckets of one key; None without limits."""
        settings = self.account.settings
        if settings.requests_per_minute is None and settings.tokens_per_minute is None:
            return None
        limits = RateLimits(
            requests=settings.requests_per_minute,
            tokens=settings.tokens_per_minute,
            window=settings.minute_seconds,
        )
        kept = self._limits.get(key)
        if kept is None or kept.limits != limits:
            if len(self._limits) >= MOST_KEYS:
                self._limits.clear()
            kept = self._limits[key] = KeyLimits(limits, time.monotonic())
        return kept

    def draw_latency(self, output_tokens: int) -> float:
        """Seconds that the next request takes."""
        latency: Latency = self.account.settings.latency
        return latency.draw(self._chance, output_tokens)

    def _reconsider(self) -> None:
        """Let those begin for whom there is room since the settings changed."""
        self.slots.admit(self.account.settings.max_running)
