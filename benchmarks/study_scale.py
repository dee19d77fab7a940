"""What 1,000,000 open batches ask of a database and of providers, simulated with costs measured here.

First how that grows, then which setting helps, then what changes of LiteBatch itself would bring. The costs
of an operation are those of a short run on PostgreSQL; `--costs FILE` keeps them there, or reads them.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from benchmarks import _scale_costs
from benchmarks._scale_model import Simulation
from benchmarks._scale_parts import Outcome, Shape

GROWTH: Mapping[str, Mapping[str, Any]] = {
    f"{batches:,} open batches": {"batches": batches} for batches in (10_000, 100_000, 300_000, 1_000_000)
}
KNOBS: Mapping[str, Mapping[str, Any]] = {
    "max_poll_seconds: 300": {"interval": 300.0},
    "refresh_after_seconds: 300": {"refresh_seconds": 300.0},
    "both of these": {"interval": 300.0, "refresh_seconds": 600.0},
    "4 replicas with the loop": {"replicas": 4},
    "all three": {"interval": 300.0, "refresh_seconds": 600.0, "replicas": 4},
    "a database of 32 cores": {"database_cores": 32},
    "providers that answer in 1 s": {"call_seconds": 1.0},
}
CHANGES: Mapping[str, Mapping[str, Any]] = {
    "claimed jobs cost `due` nothing": {"is_due_cheap": True},
    "one replica a deployment's round": {"is_alone": True},
    "both": {"is_due_cheap": True, "is_alone": True},
    "both, and the settings above": {
        "is_due_cheap": True,
        "is_alone": True,
        "interval": 300.0,
        "refresh_seconds": 600.0,
    },
}
_LONG_SECONDS = 120.0
"""longer intervals are simulated once, after one that does not count"""


def outcome(shape: Shape, costs: _scale_costs.Costs) -> Outcome:
    """What a shape comes to; long intervals are simulated fewer times."""
    number = 2 if shape.interval <= _LONG_SECONDS else 1
    return Simulation(shape, costs).run(number, before=number)


def show(title: str, cases: Mapping[str, Mapping[str, Any]], costs: _scale_costs.Costs) -> None:
    """Simulate and print a table that reads at 80 columns."""
    print(f"\n{title:<33}{'database':>13}{'loop':>6}{'provider':>10}{'list':>6}{'gap, s':>12}")
    print(f"{'':<33}{'calls':>7}{'cores':>6}{'core':>6}{'calls':>10}{'reads':>6}{'median':>7}{'p99':>5}")
    for name, changed in cases.items():
        found = outcome(Shape(**changed), costs)
        database = f"{found.database_calls:>7,.0f}{found.database_cores:>6.1f}"
        gaps = f"{found.gap_median:>7.0f}{found.gap_p99:>5.0f}"
        provider = f"{found.provider_calls:>10,.0f}{found.lists:>6.1f}"
        print(f"{name:<33}{database}{found.replica_cores:>6.2f}{provider}{gaps}", flush=True)


def costs_of(path: Path | None) -> _scale_costs.Costs:
    """Those in the file, or measured and written there."""
    if path is not None and path.exists():
        return msgspec.json.decode(path.read_bytes(), type=_scale_costs.Costs)
    found = _scale_costs.measured()
    if path is not None:
        path.write_bytes(msgspec.json.format(msgspec.json.encode(found)))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--costs", type=Path, metavar="FILE")
    costs = costs_of(parser.parse_args().costs)
    shape = Shape()
    print(f"{shape.deployments} deployments, {shape.replicas} replicas, a look every {shape.interval:.0f} s,")
    print(f"a database of {shape.database_cores} cores, providers that answer in {shape.call_seconds:g} s,")
    print(f"clients that ask for each batch every {shape.ask_seconds:.0f} s; calls are those of a second")
    for name in costs.__struct_fields__:
        cost: _scale_costs.Cost = getattr(costs, name)
        print(f"  {name:<18}{cost.database:>7.2f} ms of CPU of the database, {cost.own:>6.2f} of a replica")
    show("as it is", GROWTH, costs)
    show(f"{shape.batches:,}, with other settings", KNOBS, costs)
    show(f"{shape.batches:,}, if LiteBatch did", CHANGES, costs)


if __name__ == "__main__":
    main()
