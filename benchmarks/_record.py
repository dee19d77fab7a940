"""What a run of the suite leaves: all figures, and where and of what they were taken, as JSON."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import msgspec

from benchmarks._machine import Commit, Machine
from benchmarks._report import Figure
from benchmarks._suite import Outcome


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One run."""

    began_at: datetime
    """in UTC"""
    is_quick: bool
    """benchmarks that have a short form ran in it: their figures say less"""
    commit: Commit
    versions: dict[str, str]
    machine: Machine
    outcomes: list[Outcome]

    @property
    def figures(self) -> list[Figure]:
        """All of them, in the order in which they were taken."""
        return [figure for outcome in self.outcomes for figure in outcome.figures]


def write(record: Record, path: Path) -> None:
    """As indented JSON, which `read` takes."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n")


def read(path: Path) -> Record:
    """What `write` wrote. Raises `msgspec.ValidationError` for anything else."""
    return msgspec.json.decode(path.read_bytes(), type=Record)
