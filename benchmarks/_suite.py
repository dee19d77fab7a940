"""The benchmarks that there are, and how one runs: in a process of its own, which keeps its figures."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from benchmarks._processes import ROOT, scratch
from benchmarks._report import FIGURES, Figure

FOLDER = ROOT / "benchmarks"
VERSUS = "versus"
"""the benchmark of another gateway, which has to be told where that is"""
_PREFIX = "bench_"
_QUICK = "--quick"


class Benchmark(msgspec.Struct, frozen=True, kw_only=True):
    """A `bench_*.py`, as its source describes it."""

    name: str
    about: str
    """in a line"""
    is_quick: bool
    """whether it has a short form"""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one that ran."""

    name: str
    about: str
    exit_code: int
    """0: it came to its end, whether its bars were held or not"""
    seconds: float
    figures: list[Figure]
    """the ones that it had shown when it ended"""


def benchmarks(folder: Path = FOLDER) -> dict[str, Benchmark]:
    """All there are, by name. They are not imported for it."""
    found = (_described(path) for path in sorted(folder.glob(f"{_PREFIX}*.py")))
    return {each.name: each for each in found}


def _described(path: Path) -> Benchmark:
    tree = ast.parse(path.read_text())
    about = (ast.get_docstring(tree) or "").partition("\n")[0]
    constants = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return Benchmark(name=path.stem.removeprefix(_PREFIX), about=about, is_quick=_QUICK in constants)


def run(benchmark: Benchmark, options: Sequence[str] = (), *, quick: bool, folder: Path = FOLDER) -> Outcome:
    """Run one to its end; what it prints goes where ours goes. `quick`: in its short form, if it has one."""
    asked = [*options, *([_QUICK] if quick and benchmark.is_quick else [])]
    command = [sys.executable, str(folder / f"{_PREFIX}{benchmark.name}.py"), *asked]
    with scratch() as kept:
        path = kept / "figures.jsonl"
        path.touch()
        began = time.monotonic()
        process = subprocess.Popen(command, cwd=ROOT, env=_environment(path))
        try:
            exit_code = process.wait()
        except KeyboardInterrupt:
            process.wait()  # it was interrupted as well, and stops its servers first
            raise
        return Outcome(
            name=benchmark.name,
            about=benchmark.about,
            exit_code=exit_code,
            seconds=time.monotonic() - began,
            figures=msgspec.json.Decoder(Figure).decode_lines(path.read_bytes()),
        )


def _environment(figures: Path) -> dict[str, str]:
    earlier = os.environ.get("PYTHONPATH")
    paths = os.pathsep.join([str(ROOT), *([earlier] if earlier else [])])
    return {**os.environ, "PYTHONPATH": paths, FIGURES: str(figures)}
