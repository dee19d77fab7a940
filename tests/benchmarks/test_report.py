"""How figures are shown and kept."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import _report
from benchmarks._report import Figure

POSITIVE = st.floats(min_value=1e-6, max_value=1e9)


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where figures are kept, as those of a benchmark called `polling`."""
    path = tmp_path / "figures.jsonl"
    monkeypatch.setenv(_report.FIGURES, str(path))
    monkeypatch.setattr(sys, "argv", ["/somewhere/bench_polling.py", "--quick"])
    return path


def figures(path: Path) -> list[Figure]:
    return msgspec.json.Decoder(Figure).decode_lines(path.read_bytes())


def test_each_figure_is_shown_and_kept(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _report.show("alone", "12 (10 to 15)")
    _report.at_most("few enough", 2.0, 3.0, "ms")
    _report.at_most("too many", 4.0, 3.0, "ms")
    _report.at_least("too few", 2.0, 3.0, "MB/s")
    _report.beside("the other", [1.0, 4.0, 2.0])
    with _report.medians("the slowest", 5.0) as medians:
        medians.add("a page", [1.0, 2.0, 3.0])
        medians.add("a long page", [7.0, 8.0, 9.0], has_bar=False)
    shown = capsys.readouterr().out
    found = figures(kept)
    assert {each.name for each in found} == {"polling"}
    assert all(each.what in shown for each in found)
    assert [(each.what, each.figure, each.relation, each.bar, each.held) for each in found] == [
        ("alone", None, None, None, None),
        ("few enough", 2.0, "at most", 3.0, True),
        ("too many", 4.0, "at most", 3.0, False),
        ("too few", 2.0, "at least", 3.0, False),
        ("the other", 2.0, "beside", None, None),
        ("a page", 2.0, None, None, None),
        ("a long page", 8.0, None, None, None),
        ("the slowest", 2.0, "at most", 5.0, True),
    ]
    assert found[0].told == "12 (10 to 15)"
    assert found[4].told == "2.00 (1.00 to 4.00) times"
    assert shown.count("MISSED") == 2


def test_a_benchmark_alone_keeps_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(_report.FIGURES, raising=False)
    monkeypatch.chdir(tmp_path)
    _report.at_least("enough", 4.0, 3.0, "MB/s")
    assert capsys.readouterr().out == f"  {'enough':<54} 4.00 MB/s, bar: at least 3: held\n"
    assert list(tmp_path.iterdir()) == []


@given(figure=POSITIVE, bar=POSITIVE, relation=st.sampled_from(["at most", "at least"]))
def test_what_holds_its_bar_is_at_least_as_good_as_it(figure: float, bar: float, relation: str) -> None:
    held = figure <= bar if relation == "at most" else figure >= bar
    whole = {"name": "a", "what": "b", "told": "c", "figure": figure, "bar": bar, "relation": relation}
    ratio = msgspec.convert(whole | {"held": held}, Figure).ratio
    assert ratio is not None
    assert ratio >= 1 if held else ratio <= 1


def test_nothing_at_all_is_as_good_as_can_be() -> None:
    free = Figure(name="a", what="b", told="c", figure=-0.5, relation="at most", bar=30.0, held=True)
    assert free.ratio == float("inf")
