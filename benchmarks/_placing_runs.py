"""Runs of the placement study: what clients send, and what comes out of it."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from functools import partial
from statistics import fmean
from typing import NamedTuple

from benchmarks._placing import Batch, Gateway
from benchmarks._providers import (
    MEAN_FACTOR,
    OUTAGE_EVERY_SECONDS,
    OUTAGE_SECONDS,
    VALIDATION_SECONDS,
    Discipline,
    Kind,
    Provider,
    World,
)
from litebatch_asgi.strategies import PlacementStrategy

KINDS = {
    "quick": Kind(pace=10, limit=60_000),
    "tight": Kind(pace=5, limit=20_000),
    "roomy": Kind(pace=3, limit=80_000),
    "even": Kind(pace=2, limit=40_000),
    "slow": Kind(pace=1, limit=20_000),
    "small": Kind(pace=1, limit=8_000),
}
QUICKEST = max(kind.pace for kind in KINDS.values())
OWNERS = 8
REPLICAS = 2
SMALLEST, LARGEST, ALPHA = 300, 50_000, 1.2
"""requests of a batch: the largest is what OpenAI takes"""
BURST = 4
"""batches that the busiest owner sends at once, on average"""


class Figures(NamedTuple):
    """What came out of a run, or of several on average. Times in seconds."""

    mean: float
    """from when a batch was sent until all of its results are there"""
    p95: float
    makespan: float
    """from the first batch until all have their results"""
    waiting: float
    """from when a batch was sent until it was sent on to who ran it"""
    refusals: float
    """for 100 batches"""
    calls: float
    """creates and looks, for each batch"""
    fairness: float
    """Jain's index of the owners' mean slowdowns: 1 where all have the same"""


def average(runs: Sequence[Figures]) -> Figures:
    """Of several runs."""
    return Figures(*map(fmean, zip(*runs, strict=True)))


def run(
    strategy: PlacementStrategy,
    weights: Mapping[str, float],
    discipline: Discipline,
    *,
    load: float,
    count: int,
    seed: int,
) -> Figures:
    """One run of so many batches, the same for the same arguments."""
    world = World()
    providers = {where: Provider(world, kind, discipline, f"{seed} {where}") for where, kind in KINDS.items()}
    gateway = Gateway(world, providers, weights, strategy, replicas=REPLICAS)
    sent = batches(random.Random(f"{seed} clients"), load, count)
    for batch in sent:
        world.at(batch.at, partial(gateway.create, batch))
    world.run(lambda: gateway.through == count)
    return _figures(gateway, sent)


def batches(chance: random.Random, load: float, count: int) -> list[Batch]:
    """What clients send, so that the providers are busy for this part of the time in which they are there.

    Owner n sends one part in n of what the busiest sends, and that one many at once.
    """
    requests = [min(LARGEST, int(SMALLEST * chance.paretovariate(ALPHA))) for _ in range(count)]
    up = OUTAGE_EVERY_SECONDS / (OUTAGE_EVERY_SECONDS + OUTAGE_SECONDS)
    pace = sum(kind.pace for kind in KINDS.values()) * MEAN_FACTOR * up
    shares = [1 / (owner + 1) for owner in range(OWNERS)]
    bursts = [shares[0] / BURST, *shares[1:]]
    every = fmean(requests) / (pace * load) * sum(shares) / sum(bursts)
    made: list[Batch] = []
    now = 0.0
    while len(made) < count:
        now += chance.expovariate(1 / every)
        (owner,) = chance.choices(range(OWNERS), bursts)
        number = 1 if owner else 1 + int(chance.expovariate(1 / (BURST - 0.5)))
        for _ in range(min(number, count - len(made))):
            made.append(Batch(len(made), owner, requests[len(made)], now))
    return made


def _figures(gateway: Gateway, sent: Sequence[Batch]) -> Figures:
    took = sorted(batch.seconds for batch in sent)
    slowdowns = [
        fmean(_slowdown(batch) for batch in sent if batch.owner == owner)
        for owner in {batch.owner for batch in sent}
    ]
    return Figures(
        mean=fmean(took),
        p95=took[int(0.95 * len(took))],
        makespan=max(batch.at + batch.seconds for batch in sent) - sent[0].at,
        waiting=fmean(batch.waited for batch in sent),
        refusals=100 * gateway.refusals / len(sent),
        calls=gateway.calls / len(sent),
        fairness=sum(slowdowns) ** 2 / (len(slowdowns) * sum(each**2 for each in slowdowns)),
    )


def _slowdown(batch: Batch) -> float:
    """How many times as long it took as it would alone, at the quickest provider."""
    return batch.seconds / (VALIDATION_SECONDS + batch.requests / QUICKEST)
