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
    requests: int = 0
    """of the job that is to be placed, the same for all candidates"""
    requests_per_second: float | None = None
    """how quickly it got through the last jobs of ours; None: it had none yet"""


class PlacementStrategy(Protocol):
    """Says in which order deployments are tried. Pure: `seed` stands in for chance."""

    def __call__(self, candidates: Sequence[Candidate], *, seed: str) -> list[Candidate]:
        """All candidates, the first choice first."""
        ...


def earliest_finish(candidates: Sequence[Candidate], *, seed: str) -> list[Candidate]:
    """The one first that would be through first with what is open there and the new job, by its pace.

    One whose pace is not known is taken to be as quick as the quickest, so that it is tried. Where weights
    differ, they say how much each of them is to take: then it is `least_busy`.
    """
    if len({candidate.weight for candidate in candidates}) > 1:
        return least_busy(candidates, seed=seed)
    paces = [each.requests_per_second for each in candidates if each.requests_per_second]
    quickest = max(paces, default=1.0)
    shuffled = weighted_random(candidates, seed=seed)
    return sorted(
        shuffled,
        key=lambda each: (each.open_requests + each.requests) / (each.requests_per_second or quickest),
    )


def least_busy(candidates: Sequence[Candidate], *, seed: str) -> list[Candidate]:
    """Fewest open requests per weight first; chance decides between equals, by weight."""
    return sorted(weighted_random(candidates, seed=seed), key=_load)


def power_of_two_choices(candidates: Sequence[Candidate], *, seed: str) -> list[Candidate]:
    """Two drawn by weight, the less busy of them first; then the others, in the order they are drawn.

    Source: Mitzenmacher, "The power of two choices in randomized load balancing" (2001).
    """
    drawn = weighted_random(candidates, seed=seed)
    return sorted(drawn[:2], key=_load) + drawn[2:]


def weighted_random(candidates: Sequence[Candidate], *, seed: str) -> list[Candidate]:
    """Each place in the order drawn by weight, without putting back.

    Source: Efraimidis and Spirakis, "Weighted random sampling with a reservoir" (2006).
    """
    chance = random.Random(seed)  # noqa: S311 - fairness, not secrecy
    keyed = [(chance.random() ** (1 / candidate.weight), candidate) for candidate in candidates]
    return [candidate for _, candidate in sorted(keyed, key=lambda pair: pair[0], reverse=True)]


def _load(candidate: Candidate) -> float:
    return candidate.open_requests / candidate.weight


STRATEGIES: Mapping[str, PlacementStrategy] = {
    "earliest-finish": earliest_finish,
    "least-busy": least_busy,
    "power-of-two-choices": power_of_two_choices,
    "weighted-random": weighted_random,
}
