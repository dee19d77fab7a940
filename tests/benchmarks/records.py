"""Runs of the suite as its table and its plot get them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from benchmarks._machine import Commit, Machine
from benchmarks._record import Record
from benchmarks._report import Figure
from benchmarks._suite import Outcome

HELD = Figure(
    name="memory",
    what="upload of 1 GB: memory over idle",
    told="29.00 MB",
    figure=29.0,
    unit="MB",
    relation="at most",
    bar=64.0,
    held=True,
)
MISSED = Figure(
    name="memory",
    what="upload of 1 GB: lag, p99.9",
    told="40.00 ms",
    figure=40.0,
    unit="ms",
    relation="at most",
    bar=10.0,
    held=False,
)
BESIDE = Figure(
    name="versus",
    what="GET of a batch: how many times as fast",
    told="152.00 (140.00 to 160.00) times",
    figure=152.0,
    unit="times",
    relation="beside",
)
ALONE = Figure(name="memory", what="upload: MB per second", told="118")


def outcome(*figures: Figure, name: str = "memory", exit_code: int = 0) -> Outcome:
    """What became of a benchmark."""
    return Outcome(
        name=name, about="What it measures.", exit_code=exit_code, seconds=61.2, figures=list(figures)
    )


def record(*outcomes: Outcome, **changed: Any) -> Record:
    """A run of these."""
    whole: dict[str, Any] = {
        "began_at": datetime(2026, 11, 28, tzinfo=UTC),
        "is_quick": False,
        "commit": Commit(id="0123456789abcdef0123456789abcdef01234567", is_changed=False),
        "versions": {"python": "3.11.7", "litebatch": "0.1.0", "postgresql": "18.4"},
        "machine": Machine(cpu="A processor of 2.5 GHz", cores=2, memory=8 << 30, load=0.5),
        "outcomes": list(outcomes),
    }
    return Record(**(whole | changed))
