"""Looks at batches until they have ended."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime

from litebatch_asgi.cli.client.api import API
from litebatch_asgi.cli.client.objects import Batch
from litebatch_asgi.cli.client.screen import Screen

_SHORTEST_SECONDS, _LONGEST_SECONDS = 1.0, 30.0
_SHARE = 20
"""a batch is looked at again after this part of its age"""
_LATE_LOOKS = 10
"""so often an ended batch is looked at whose results are still to come"""


def watch(api: API, ids: Sequence[str], screen: Screen, every_seconds: float | None) -> list[Batch]:
    """The batches when all have ended and told where their results are, which may be late or never come."""
    found = [api.batch(batch_id) for batch_id in ids]
    late = dict.fromkeys(ids, 0)
    with screen.watching() as show:
        while True:
            show(found)
            open_ones = [place for place, batch in enumerate(found) if _is_open(batch, late)]
            if not open_ones:
                return found
            pause = min(_pause(found[place]) for place in open_ones)
            time.sleep(pause if every_seconds is None else every_seconds)
            for place in open_ones:
                found[place] = api.batch(found[place].id)


def _is_open(batch: Batch, late: dict[str, int]) -> bool:
    if not batch.has_ended:
        return True
    if not batch.completed or batch.output_file_id is not None:
        return False
    late[batch.id] = late.get(batch.id, 0) + 1
    return late[batch.id] <= _LATE_LOOKS


def _pause(batch: Batch) -> float:
    """Seconds until the next look: more often at young batches."""
    age = 0.0 if batch.created_at is None else (datetime.now(UTC) - batch.created_at).total_seconds()
    return min(max(age / _SHARE, _SHORTEST_SECONDS), _LONGEST_SECONDS)
