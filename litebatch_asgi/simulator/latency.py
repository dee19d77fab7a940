"""How long an inference server takes for a request."""

from __future__ import annotations

import math
import random
from typing import Annotated, Literal

import msgspec

Seconds = Annotated[float, msgspec.Meta(ge=0.0)]


class Latency(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The seconds from the start of a request's run to its answer, and how they are distributed."""

    distribution: Literal["fixed", "uniform", "lognormal"] = "fixed"
    seconds: Seconds = 0.0
    """`fixed`: always; `uniform`: the least; `lognormal`: the median"""
    most: Seconds | None = None
    """`uniform`: the most, which must be told; otherwise what takes longer takes so long"""
    sigma: Seconds = 0.5
    """`lognormal`: the standard deviation of the logarithm"""
    per_output_token: Seconds = 0.0
    """added for every token of the answer, after `most`"""

    def __post_init__(self) -> None:
        if self.distribution == "uniform" and (self.most is None or self.most < self.seconds):
            raise ValueError(f"latency: uniform needs `most`, of at least {self.seconds} seconds")

    def draw(self, chance: random.Random, output_tokens: int) -> float:
        """Seconds for one request; only what is not `fixed` draws from `chance`."""
        drawn, most = self.seconds, math.inf if self.most is None else self.most
        if self.distribution == "uniform":
            drawn = chance.uniform(self.seconds, most)
        elif self.distribution == "lognormal":
            drawn *= math.exp(self.sigma * chance.gauss(0.0, 1.0))
        return min(drawn, most) + self.per_output_token * output_tokens
