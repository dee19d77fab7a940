"""Processes that share a run of tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.postgres import ROOT

TESTS = """
import os, signal, time
import pytest

collected_by = os.getpid()

@pytest.fixture(scope="module", autouse=True)
def torn_down():
    yield
    with open("torn down", "a") as file:
        file.write(f"{os.getpid()}\\n")

@pytest.mark.parametrize("number", range(20))
def test_passes(number, tmp_path):
    print("not to be seen")
    assert os.getpid() != collected_by

def test_fails():
    print("said before")
    assert [1, 2] == [1, 3]

def test_kills():
    os.kill(os.getpid(), signal.SIGKILL)

@pytest.mark.timeout(0.1)
def test_hangs():
    time.sleep(60)

@pytest.mark.skip(reason="not now")
def test_skipped():
    raise AssertionError

@pytest.mark.parametrize("number", range(20))
def test_passes_too(number):
    pass
"""


def run(folder: Path, *arguments: str) -> str:
    """What pytest says of these tests."""
    (folder / "test_these.py").write_text(TESTS)
    command = f"{sys.executable} -m pytest -p no:schemathesis -p tests.workers --workers 3 -rsf"
    done = subprocess.run(
        [*command.split(), *arguments, "--rootdir", str(folder), "test_these.py"],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "")
    return done.stdout


def test_each_test_runs_once_and_tells_what_it_has_come_to(tmp_path: Path) -> None:
    said = run(tmp_path)
    assert "3 failed, 40 passed, 1 skipped" in said
    assert "assert [1, 2] == [1, 3]" in said
    assert "At index 1 diff: 2 != 3" in said
    assert "said before" in said
    assert "not to be seen" not in said
    assert "FAILED test_these.py::test_kills - its process has ended: exit code -9" in said
    assert "FAILED test_these.py::test_hangs - Failed: Timeout (>0.1s)" in said
    assert "SKIPPED [1] test_these.py" in said
    torn_down = (tmp_path / "torn down").read_text().split()
    assert len(torn_down) == len(set(torn_down)) > 1  # in each process that was not killed


def test_the_first_failure_ends_it_where_that_is_asked_for(tmp_path: Path) -> None:
    assert "1 failed" in run(tmp_path, "-x", "-k", "passes or fails")
