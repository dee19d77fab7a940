"""Which placement strategy brings results soonest, in simulated time.

Six deployments of one model take the batches of eight owners; the quickest is ten times as quick as the
slowest. Sizes are heavy-tailed; deployments refuse, are away, and lose batches. `_providers.py` says what
they do, `_placing.py` what the gateway knows of it, and `_placing_runs.py` what comes.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import leather  # type: ignore[import-untyped]
from msgspec.structs import replace

from benchmarks._placing_runs import KINDS, Figures, average, run
from benchmarks._providers import DISCIPLINES
from litebatch_asgi.strategies import STRATEGIES, Candidate, earliest_finish

LOADS = (0.5, 0.8, 0.95)
WITHOUT, FITTING = "without weights", "with weights that fit the speeds"
WEIGHTS = {
    WITHOUT: dict.fromkeys(KINDS, 1.0),
    FITTING: {where: kind.pace for where, kind in KINDS.items()},
}
BY_PACE = "by pace all the same"
HEAD = (
    f"{'':>5} {'':22} {'mean':>6} {'p95':>6} {'all':>6} {'waits':>6} {'refused':>7} {'calls':>6} {'fair':>5}"
)
UNITS = f"{'load':>5} {'':22} {'min':>6} {'min':>6} {'h':>6} {'s':>6} {'in 100':>7} {'each':>6} {'':>5}"


def by_pace_alone(candidates: Sequence[Candidate], *, seed: str) -> list[Candidate]:
    """`earliest_finish` as if nobody had told weights."""
    return earliest_finish([replace(each, weight=1.0) for each in candidates], seed=seed)


def compare(options: argparse.Namespace, weights: Mapping[str, float]) -> dict[str, dict[float, Figures]]:
    """A table of all strategies at all loads; their figures by name and load."""
    strategies = dict(STRATEGIES)
    if len(set(weights.values())) > 1:
        strategies[BY_PACE] = by_pace_alone
    found: dict[str, dict[float, Figures]] = {name: {} for name in strategies}
    for load in LOADS:
        for name, strategy in strategies.items():
            runs = [
                run(
                    strategy,
                    weights,
                    DISCIPLINES[options.providers],
                    load=load,
                    count=options.batches,
                    seed=seed,
                )
                for seed in range(options.seed, options.seed + options.seeds)
            ]
            found[name][load] = average(runs)
            print(_row(load, name, found[name][load]), flush=True)
        print()
    return found


def _row(load: float, name: str, each: Figures) -> str:
    return (
        f"{load:>4.0%}  {name:22} {each.mean / 60:>6.1f} {each.p95 / 60:>6.1f} {each.makespan / 3600:>6.1f} "
        f"{each.waiting:>6.1f} {each.refusals:>7.1f} {each.calls:>6.1f} {each.fairness:>5.2f}"
    )


def plot(figures: Mapping[str, dict[float, Figures]], title: str) -> leather.Chart:
    """Mean time to the results by load."""
    chart = leather.Chart(f"Minutes to the results, on average, {title}")
    chart.add_x_axis(name="load in %", ticks=[100 * load for load in LOADS])
    chart.add_y_scale(0, 10 * (1 + max(each.mean for by in figures.values() for each in by.values()) // 600))
    for name, by_load in figures.items():
        chart.add_line([(100 * load, each.mean / 60) for load, each in by_load.items()], name=name)
    return chart


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--batches", type=int, default=1500, help="of each run (default: 1500)")
    parser.add_argument("--seeds", type=int, default=5, help="runs that are averaged (default: 5)")
    parser.add_argument("--seed", type=int, default=0, help="the first of them (default: 0)")
    parser.add_argument(
        "--providers",
        choices=list(DISCIPLINES),
        default="shared",
        help="whether the batches that a provider has at once share its pace (default), wait for each other, "
        "or get an eighth of it each, of which more than eight then share all",
    )
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the means as SVG")
    options = parser.parse_args()
    grid = leather.Grid()
    for title, weights in WEIGHTS.items():
        print(f"{title}\n{HEAD}\n{UNITS}")
        grid.add_one(plot(compare(options, weights), title))
    if options.plot is not None:
        grid.to_svg(str(options.plot))


if __name__ == "__main__":
    main()
