"""The command that runs benchmarks: the quickest of them in earnest, and ones that fail."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks import __main__ as command
from benchmarks import _record, _suite

ROOT = Path(__file__).parents[2]
FINE = '''
"""One that comes to its end."""
import os
from benchmarks import _report
_report.at_most("fine", 1.0, 2.0, f"ms in process {os.getpid()}")
'''
BROKEN = '''
"""One that fails, which --quick does not know.

More of it."""
from benchmarks import _report
_report.at_least("before it broke", 1.0, 2.0, "MB/s")
raise SystemExit(7)
'''
SHORT = '''
"""One with a short form."""
import sys
from benchmarks import _report
_report.show("asked", " ".join(sys.argv[1:]))
assert "--quick" in sys.argv
'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Benchmarks of which one fails."""
    for name, source in {"fine": FINE, "broken": BROKEN, "short": SHORT}.items():
        (tmp_path / f"bench_{name}.py").write_text(source)
    return tmp_path


def test_the_quickest_one_leaves_a_table_a_record_and_a_plot(tmp_path: Path) -> None:
    asked = [sys.executable, "-m", "benchmarks", "dialects", "--quick", "--out", str(tmp_path / "out")]
    done = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
    record = _record.read(tmp_path / "out" / "figures.json")
    (outcome,) = record.outcomes
    assert (outcome.name, outcome.exit_code, record.is_quick) == ("dialects", 0, True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert record.commit.id == (head.stdout.strip() or None)
    assert set(record.versions) == {
        *("python", "litebatch", "starlette", "httpx2", "msgspec", "sqlite", "postgresql")
    }
    assert all(version[0].isdigit() for version in record.versions.values())
    assert record.machine.cpu
    assert record.machine.memory > 1 << 28

    barred = [figure for figure in record.figures if figure.bar is not None]
    assert [figure.what.split(":")[0] for figure in barred] == ["Vertex", "Anthropic", "Mistral"]
    assert len(record.figures) == 12
    for figure in barred:
        assert figure.figure is not None
        assert figure.held is (figure.figure >= 40)
    _, _, table = done.stdout.partition("\n\n")
    assert all(len(line) <= 80 for line in table.splitlines()[:-1])  # the last one names a folder
    assert all(figure.told in table for figure in barred)
    assert f"{sum(figure.held is True for figure in barred)} of 3 bars held, in short forms." in table
    drawn = "".join(ElementTree.parse(tmp_path / "out" / "figures.svg").getroot().itertext())
    assert all(figure.what in drawn for figure in barred)


def test_each_runs_in_a_process_of_its_own_and_keeps_what_it_had(folder: Path) -> None:
    found = _suite.benchmarks(folder)
    broken, fine = (_suite.run(found[name], quick=True, folder=folder) for name in ("broken", "fine"))
    assert (broken.exit_code, [figure.held for figure in broken.figures]) == (7, [False])
    assert (fine.exit_code, [figure.held for figure in fine.figures]) == (0, [True])
    assert fine.figures[0].unit.startswith("ms in process ")
    short = _suite.run(found["short"], ["--vs", "there"], quick=True, folder=folder)
    assert (short.exit_code, short.figures[0].told) == (0, "--vs there --quick")


def test_what_there_is_is_told_by_its_source(folder: Path) -> None:
    assert {name: (each.about, each.is_quick) for name, each in _suite.benchmarks(folder).items()} == {
        "broken": ("One that fails, which --quick does not know.", False),
        "fine": ("One that comes to its end.", False),
        "short": ("One with a short form.", True),
    }


def test_all_are_listed_with_a_line_each(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmarks", "--list"])
    assert command.main() == 0
    told = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    sources = (ROOT / "benchmarks").glob("bench_*.py")
    assert set(told) == {path.stem.removeprefix("bench_") for path in sources}
    assert told["poll"].endswith("(--quick)")


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (["dialect"], "there is no dialect; there are contents, create, dialects, "),
        (["versus"], "versus needs --vs"),
        (["--vs", "http://localhost:4000"], "--vs needs --model"),
    ],
)
def test_what_cannot_be_run_is_refused_before_anything_runs(
    asked: list[str], told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmarks", *asked])
    with pytest.raises(SystemExit) as refused:
        command.main()
    assert refused.value.code == 2
    seen = capsys.readouterr()
    assert told in seen.err
    assert not seen.out
