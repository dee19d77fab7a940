"""Placement strategies: in which order the deployments that could take a batch are tried. Pure."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A deployment that could take a batch now."""

    deployment_id: str
    weight: float
    open_requests: int
    """requests of ours that are under way there"""


class PlacementStrategy(Protocol):
    """Says in which order deployments are tried. Pure: `seed` stands in for chance."""

    def __call__(self, candidates: Sequence[Candidate], *, seed: str) -> list[Candidate]:
        """All candidates, the first choice first."""
        ...


def least_busy(candidates: Sequence[Candidate], *, seed: str) -> list[Candidate]:
    """Fewest open requests per weight first; chance decides between equals, by weight."""
    shuffled = weighted_random(candidates, seed=seed)
    return sorted(shuffled, key=lambda candidate: candidate.open_requests / candidate.weight)


def weighted_random(candidates: Sequence[Candidate], *, seed: str) -> list[Candidate]:
    """Each place in the order drawn by weight, without putting back.

    Source: Efraimidis and Spirakis, "Weighted random sampling with a reservoir" (2006).
    """
    chance = random.Random(seed)  # noqa: S311 - fairness, not secrecy
    keyed = [(chance.random() ** (1 / candidate.weight), candidate) for candidate in candidates]
    return [candidate for _, candidate in sorted(keyed, key=lambda pair: pair[0], reverse=True)]


STRATEGIES: Mapping[str, PlacementStrategy] = {
    "least-busy": least_busy,
    "weighted-random": weighted_random,
}
