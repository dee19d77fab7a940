"""Which requests are so long that they cost more a token."""

from __future__ import annotations

import sys
from bisect import bisect_left
from collections.abc import Sequence

from litebatch_asgi.jsonl.size import BYTES_PER_TOKEN
from litebatch_asgi.models import LongRequests


class Lengths:
    """Sums up requests whose inputs are longer than the first of some thresholds, which are ascending."""

    def __init__(self, thresholds: Sequence[int]) -> None:
        self._thresholds = thresholds
        self._sums: dict[int, list[int]] = {}
        self.shortest_bytes: int = thresholds[0] * BYTES_PER_TOKEN if thresholds else sys.maxsize
        """a line with fewer bytes is not longer, unless it names something"""

    def add(self, tokens: int, output_tokens: int, unlimited_answers: int) -> None:
        """Count a request of so many tokens, if it is a long one."""
        step = bisect_left(self._thresholds, tokens)
        if not step:
            return
        sums = self._sums.setdefault(self._thresholds[step - 1], [0, 0, 0, 0])
        for place, more in enumerate((1, tokens, output_tokens, unlimited_answers)):
            sums[place] += more

    @property
    def long_requests(self) -> tuple[LongRequests, ...]:
        """What all of them come to, the shorter ones first."""
        return tuple(
            LongRequests(
                above=above,
                requests=sums[0],
                tokens=sums[1],
                output_tokens=sums[2],
                unlimited_answers=sums[3],
            )
            for above, sums in sorted(self._sums.items())
        )
