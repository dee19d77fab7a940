"""Runs benchmarks, each in a process of its own, and tells in the end how they came out.

Leaves all figures with the commit, versions and the machine in `figures.json`, and a plot in `figures.svg`.
It fails if a benchmark does, not for a missed bar.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import _machine, _plot, _record, _suite, _table
from benchmarks._processes import ROOT

OUT = ROOT / "build" / "benchmarks"


def parser(known: Sequence[str]) -> argparse.ArgumentParser:
    """Of the command line."""
    made = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    made.add_argument("names", nargs="*", metavar="NAME", help="only these; --list tells which there are")
    made.add_argument("--list", action="store_true", help="list them and end")
    made.add_argument("--quick", action="store_true", help="those in their short form that have one")
    made.add_argument("--out", type=Path, default=OUT, metavar="FOLDER", help="default: build/benchmarks")
    other = made.add_argument_group("beside another gateway with the same API, which really runs batches")
    other.add_argument("--vs", metavar="URL", help="such as http://127.0.0.1:4000")
    other.add_argument("--key", default="any")
    other.add_argument("--model", help="whose batches both gateways take")
    other.add_argument("--provider", metavar="URL", help="what is behind it, to be behind ours as well")
    return made


def run(
    found: dict[str, _suite.Benchmark], names: Sequence[str], versus: Sequence[str], *, quick: bool
) -> _record.Record:
    """Run the named ones. An interrupt ends them, not what is made of the figures."""
    began_at, machine = datetime.now(UTC), _machine.machine()
    outcomes: list[_suite.Outcome] = []
    try:
        for name in names:
            print(f"== {name}: {found[name].about}", flush=True)
            options = versus if name == _suite.VERSUS else ()
            outcomes.append(_suite.run(found[name], options, quick=quick))
    except KeyboardInterrupt:
        print("interrupted")
    return _record.Record(
        began_at=began_at,
        is_quick=quick,
        commit=_machine.commit(),
        versions=_machine.versions(),
        machine=machine,
        outcomes=outcomes,
    )


def tell(record: _record.Record, folder: Path) -> None:
    """Print the table, and write the files."""
    print()
    _table.show(record)
    folder.mkdir(parents=True, exist_ok=True)
    _record.write(record, folder / "figures.json")
    written = ["figures.json"]
    of = f"LiteBatch {(record.commit.id or '')[:8]}, {record.machine.cores} cores, {record.began_at:%Y-%m-%d}"
    if _plot.draw(record.figures, folder / "figures.svg", of):
        written.append("figures.svg")
    print(f"{' and '.join(written)} are in {folder}")


def main() -> int:
    """Returns the exit code."""
    found = _suite.benchmarks()
    command = parser(tuple(found))
    options = command.parse_args()
    if options.list:
        for each in found.values():
            print(f"{each.name:<11} {each.about}{' (--quick)' if each.is_quick else ''}")
        return 0
    unknown = [name for name in options.names if name not in found]
    if unknown:
        command.error(f"there is no {', '.join(unknown)}; there are {', '.join(found)}")
    if options.vs is None and _suite.VERSUS in options.names:
        command.error(f"{_suite.VERSUS} needs --vs")
    if options.vs is not None and options.model is None:
        command.error("--vs needs --model")
    names = options.names or [name for name in found if name != _suite.VERSUS]
    versus: list[str] = []
    if options.vs is not None:
        versus = ["--vs", options.vs, "--key", options.key, "--model", options.model]
        versus += ["--provider", options.provider] if options.provider else []
        names = [*(name for name in names if name != _suite.VERSUS), _suite.VERSUS]
    record = run(found, names, versus, quick=options.quick)
    tell(record, options.out)
    return int(any(outcome.exit_code for outcome in record.outcomes))


if __name__ == "__main__":
    raise SystemExit(main())
