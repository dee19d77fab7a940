"""What the events of batches must tell, whatever happened meanwhile."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from typing import Any

from tests.faults.world import World

BEGIN = ["batch.created", "acreate_batch"]
CANCELLING, HANDED_ON = "batch.cancelling", "job.handed_on"
ENDS = frozenset({"batch.completed", "batch.failed", "batch.expired", "batch.cancelled"})
_ENDED = [end.removeprefix("batch.") for end in sorted(ENDS)]
_BATCHES = "SELECT id, status, counts, usage, cost, errors, output_file_id, error_file_id FROM batches"
_EVENTS = "SELECT subject, seq, type, payload FROM events WHERE batch_id IS NOT NULL ORDER BY subject, seq"


async def untrue_stories(world: World) -> AsyncIterator[str]:
    """Stories with something doubled or missing, and last words that are not what the batch says itself."""
    stories: dict[str, list[tuple[int, str, dict[str, Any]]]] = defaultdict(list)
    batches = await world.rows(_BATCHES)
    for subject, seq, type_, payload in await world.rows(_EVENTS):
        stories[subject].append((seq, type_, json.loads(payload)))
    for batch_id, status, *columns in batches:
        if batch_id in world.copied:
            continue  # its story is the original's
        story = stories.pop(batch_id, [])
        types = [type_ for _, type_, _ in story]
        for text in _faults([seq for seq, _, _ in story], types, status):
            yield f"{batch_id}, {status}: {text}: {types}"
        if status in _ENDED and types and types[-1] in (*ENDS, "batch_success"):
            last = story[-1][2]
            for name, told, is_so in _told(last, columns):
                if told != is_so:
                    yield f"{batch_id}: its last event tells {name} {told}, and the batch {is_so}"
    for subject in stories:
        yield f"{subject} has a story and is no batch"


def _faults(numbers: list[int], types: list[str], status: str) -> Iterator[str]:
    if numbers != list(range(1, len(numbers) + 1)):
        yield f"numbered {numbers}"
    if types[:2] != BEGIN:
        yield "does not begin with its creation"
    if CANCELLING in types and HANDED_ON in types[types.index(CANCELLING) :]:
        yield "hands lines on although it is to be cancelled"
    once = [type_ for type_ in types if type_.startswith("batch.") or type_ in (*BEGIN, "batch_success")]
    if len(once) != len(set(once)):
        yield "tells something twice"
    end = [f"batch.{status}"] if status in _ENDED else []
    if [type_ for type_ in types if type_ in ENDS] != end:
        yield "does not tell its end"
    end += ["batch_success"] if status == "completed" else []
    if types[len(types) - len(end) :] != end or types.count("batch_success") != end.count("batch_success"):
        yield "does not stop at its end"


def _told(last: dict[str, Any], columns: list[Any]) -> Iterator[tuple[str, Any, Any]]:
    counts, usage, cost, errors, output_file_id, error_file_id = columns
    yield "counts", last["counts"], json.loads(counts)
    yield "usage", last["usage"], usage and json.loads(usage)
    yield "cost", last["cost"] and Decimal(last["cost"]), cost and Decimal(cost)
    yield "errors", last["errors"], json.loads(errors) if errors else []
    yield "output_file_id", last["output_file_id"], output_file_id
    yield "error_file_id", last["error_file_id"], error_file_id
