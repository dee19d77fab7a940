"""What rounds are like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tests.survival import settings
from tests.survival.clients import Memory
from tests.survival.fates import Features
from tests.survival.server import Deployed, Life
from tests.survival.turns import Turn


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a round is like."""

    seed: str
    seconds: float
    """of load; the judgement comes on top"""
    replicas: int
    clients: int = 5
    pause_seconds: float = 0.2
    """between two calls of a client, on average"""
    storm_seconds: float = 0.6
    """between two troubles of providers, on average"""
    outage_seconds: float = 12.0
    """between two restarts of the database, on average"""
    least_kills: int = 0
    """the load goes on until there were so many, on a machine that is too busy to start processes"""
    least_rescues: int = 0
    """the same of shards that are made of what jobs left undone"""
    least_requests: int = 0
    """the same of requests that live deployments were sent"""
    stop_share: float = 0.25
    """of the replicas that are to come to a failpoint, how many are stopped there rather than killed"""
    without: str | None = None
    """a protection to go without"""
    turn: Turn = Turn.NONE
    """what happens to the database"""
    is_mixed: bool = False
    """whether not everybody speaks OpenAI"""
    rescues: bool = False
    """whether inputs are several tiles, and jobs break off and are rescued"""
    live: bool = False
    """whether there are live deployments as well"""
    live_storm_seconds: float = 2.0
    """between two troubles of these, on average"""
    poison: bool = False
    """whether some of their lines let the servers die"""
    stuck_seconds: float = 2.5
    """between two jobs that stand still while a day passes, on average"""

    @property
    def gateway(self) -> dict[str, Any]:
        """Its settings."""
        more = (settings.RESCUES if self.rescues else {}) | (settings.LIVE if self.live else {})
        return settings.GATEWAY | more

    @property
    def longest_lease_seconds(self) -> float:
        """What a process has to be stopped for to lose all that it has."""
        return settings.LIVE_LEASE_SECONDS if self.live else settings.LEASE_SECONDS

    @property
    def features(self) -> Features:
        """What its replicas pass."""
        return Features(
            translates=self.is_mixed, rescues=self.rescues, live=self.live, poison=self.live and self.poison
        )


class Party(msgspec.Struct, frozen=True, kw_only=True):
    """The processes of an installation, and what its clients know."""

    name: str
    memory: Memory
    replicas: Sequence[Deployed]
    clients: int
    deletes: bool = True
    """whether clients delete"""

    @property
    def lives(self) -> Mapping[str, Life]:
        """Its processes, by the keys with which they come to live deployments."""
        return {life.key: life for replica in self.replicas for life in replica.server.lives}
