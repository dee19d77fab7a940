"""What importing LiteBatch adds to importing what it rests on."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Mapping
from statistics import median

from benchmarks import _report
from benchmarks._processes import ROOT, scratch

ROUNDS = 20
BAR_MS = 30.0
BASE = "import starlette.applications, httpx2, msgspec"
ALONE = "import litebatch_asgi"
WITH_APP = "from litebatch_asgi import LiteBatch"
IN_USE = f"{BASE}, litebatch_asgi.app, litebatch_asgi.providers.openai, litebatch_sqlite"


def milliseconds(statement: str, env: Mapping[str, str]) -> float:
    """The CPU time in which a fresh interpreter starts and runs this: other processes do not count."""
    before = _of_children()
    subprocess.run([sys.executable, "-c", statement], check=True, cwd=ROOT, env=env)
    return 1000 * (_of_children() - before)


def _of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    """Measure in turn, with bytecode, as everything that is installed has it."""
    measured: dict[str, list[float]] = {BASE: [], ALONE: [], WITH_APP: [], IN_USE: []}
    with scratch() as folder:
        env = {**os.environ, "PYTHONPYCACHEPREFIX": str(folder)}
        env.pop("PYTHONDONTWRITEBYTECODE", None)
        for statement in measured:
            milliseconds(statement, env)  # leaves the bytecode behind
        for _ in range(ROUNDS):
            for statement, taken in measured.items():
                taken.append(milliseconds(statement, env))
    _report.show("starlette, httpx2, msgspec: ms", _report.spread(measured[BASE], 0))
    _report.show("litebatch_asgi: ms", _report.spread(measured[ALONE], 0))
    _report.show("LiteBatch of it: ms", _report.spread(measured[WITH_APP], 0))
    _report.show("all of them, OpenAI's adapter, SQLite: ms", _report.spread(measured[IN_USE], 0))
    added = median(mine - its for mine, its in zip(measured[ALONE], measured[BASE], strict=True))
    _report.at_most("import of litebatch_asgi beside the three", added, BAR_MS, "ms more")


if __name__ == "__main__":
    main()
