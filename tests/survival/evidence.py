"""What is left of a round that explains its violations."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import msgspec

from tests.faults.promises import lost_orphans
from tests.survival.plans import Party


async def leave_evidence(folder: Path, found: Sequence[str], party: Party) -> None:
    """Write down what is needed to understand a violation."""
    world = party.memory.world
    evidence: dict[str, Any] = {"violations": list(found)}
    for table in (
        *("files", "file_shards", "file_copies", "batches", "jobs", "charges"),
        *("line_ranges", "line_alone", "events", "sinks", "event_deliveries", "webhook_endpoints"),
    ):
        evidence[table] = [list(map(str, row)) for row in await world.rows(f"SELECT * FROM {table}")]
    evidence["journal"] = [msgspec.to_builtins(entry) for entry in world.simulator.journal]
    evidence["requests"] = [msgspec.to_builtins(entry) for entry in world.simulator.requests.select()]
    evidence["lives"] = [msgspec.to_builtins(life) for life in party.lives.values()]
    evidence["jobs at providers"] = [msgspec.to_builtins(batch) for _, batch in world.jobs()]
    evidence["orphans of a lost history"] = sorted(await lost_orphans(world))
    text = json.dumps(evidence, indent=1, default=str)
    name = "evidence of the clone.json" if party.name else "evidence.json"
    await anyio.Path(folder / name).write_text(text)
